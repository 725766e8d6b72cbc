import { expect, test } from "vitest";
import { holesOf, refusalOf } from "../../tools/runc-holes.mjs";

const WORKDIR = "CVE-2024-21626";
const MASKS = ["CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881"];

test.each([
  ["1.0.0-rc93", [WORKDIR, ...MASKS]],
  ["1.1.5+ds1", [WORKDIR, ...MASKS]],
  ["1.1.11", [WORKDIR, ...MASKS]],
  ["1.1.12-0ubuntu3", MASKS],
  ["1.2.0", MASKS],
  ["1.2.7", MASKS],
  ["1.2.8", []],
  ["1.2.9-0ubuntu1", []],
  ["1.3.0-rc.2", MASKS],
  ["1.3.2", MASKS],
  ["1.3.3", []],
  ["1.4.0-rc.1", MASKS],
  ["1.4.0-rc.2+dev", MASKS],
  ["1.4.0-rc.3", []],
  ["1.4.0", []],
  ["1.5.2", []],
  ["2.0.0-rc.1", []],
  ["unknown", [WORKDIR, ...MASKS]],
  ["", [WORKDIR, ...MASKS]],
])("runc %s is open to %j", (version, holes) => {
  expect(holesOf(version)).toEqual(holes);
});

test("what is refused says why and what to do; only that very version can be accepted", () => {
  expect(refusalOf("1.3.3", undefined)).toBeUndefined();
  expect(refusalOf("1.1.5+ds1", "1.1.5+ds1")).toBeUndefined();
  for (const other of [undefined, "", "1.1.5", "1.1.5+ds1-1", "yes"]) {
    const refusal = refusalOf("1.1.5+ds1", other);
    for (const word of ["CVE-2024-21626", "CVE-2025-52881", "1.2.8", "npm start", "OPENCOMPUTER_ACCEPT_RUNC=1.1.5+ds1"])
      expect(refusal).toContain(word);
  }
});
