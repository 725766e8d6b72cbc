import { expect, test } from "vitest";
import { toAllowList } from "../../../src/engines/local/allow-list";

const open = () => true;
const LABEL = "a".repeat(63);

test.each<[destination: string, allowed: string[], refused: string[]]>([
  ["pypi.org", ["pypi.org", "PyPI.org", "pypi.org."], ["files.pypi.org", "mypypi.org", "org", "pypi.org.evil", ""]],
  ["*.pypi.org", ["files.pypi.org", "a.b.pypi.org", "_srv._tcp.pypi.org"], ["pypi.org", "mypypi.org", ".pypi.org"]],
  ["*.PyPI.org", ["files.pypi.org"], ["a\\.pypi.org", "a b.pypi.org", "a\0.pypi.org", "a..pypi.org", "*.pypi.org"]],
  [`${LABEL}.test`, [`${LABEL}.test`], [`${LABEL}a.test`]],
  ["*.test", [`${LABEL}.${LABEL}.${LABEL}.test`], [`${LABEL}.${LABEL}.${LABEL}.${LABEL}.test`]],
  ["192.0.2.1", [], ["192.0.2.1"]],
])("%s", (destination, allowed, refused) => {
  const { allowsName } = toAllowList([destination], open);
  expect(allowed.filter((name) => !allowsName(name))).toEqual([]);
  expect(refused.filter(allowsName)).toEqual([]);
});

test("addresses and blocks are apart from names", () => {
  const { blocks } = toAllowList(["192.0.2.1", "pypi.org", "198.51.100.0/24", "0.0.0.0/0", "127.example"], open);
  expect(blocks).toEqual(["192.0.2.1", "198.51.100.0/24", "0.0.0.0/0"]);
});

test("every wrong destination is named", () => {
  const wrong = [
    "192.0.2",
    "192.0.2.256",
    "192.0.2.0/33",
    "192.0.2.0/",
    "1.2.3.4/8/8",
    "",
    "*",
    "*.",
    "*.*.a",
    "a*",
    "::1",
    "a;b",
  ];
  const expected = wrong.map((one) => JSON.stringify(one)).join(", ");
  expect(() => toAllowList(["pypi.org", ...wrong], open)).toThrow(`cannot be allowed to reach ${expected}; expected`);
});
