import { describe, expect, it } from "vitest";
import { parseDockerIgnore } from "../../src/image/docker-ignore";

/** Lines of a .dockerignore, what they leave out, what they do not. */
const cases: [string, string[], string[]][] = [
  ["*.md", ["a.md"], ["sub/a.md", "a.md5"]],
  ["**/*.md", ["a.md", "sub/a.md", "a/b/c.md"], ["a.txt"]],
  ["foo", ["foo", "foo/bar", "foo/a/b"], ["sub/foo", "foobar"]],
  ["/foo/", ["foo", "foo/bar"], ["sub/foo"]],
  ["./foo//bar/../baz", ["foo/baz"], ["foo/bar"]],
  ["*/temp*", ["a/temp", "a/temporary.txt", "a/temp/x"], ["temp", "a/b/temp"]],
  ["temp?", ["tempa", "temp😀"], ["temp", "tempab", "temp/"]],
  ["a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["z", "a/b"]],
  ["a/**", ["a/b", "a/b/c"], ["a", "b/a/c"]],
  ["**", ["a", "a/b", ".x"], []],
  ["[a-c]x", ["ax", "cx"], ["dx", "ab"]],
  ["[^a]x", ["bx"], ["ax"]],
  ["[\\]w]", ["]", "w"], ["\\"]],
  ["a\\*b", ["a*b"], ["aXb"]],
  ["c++/(x|y).{z}$", ["c++/(x|y).{z}$"], ["c/x.z"]],
  ["a.b", ["a.b"], ["aXb"]],
  ["# a comment\n\n  x  \n\t", ["x"], ["# a comment"]],
  ["a\r\nb\r\n", ["a", "b"], ["c"]],
  ["\uFEFF#a\nb", ["b"], ["#a"]],
  ["*.md\n!README.md", ["a.md"], ["README.md"]],
  ["docs\n!docs/keep.md", ["docs", "docs/x"], ["docs/keep.md"]],
  ["*.md\n!README*.md\nREADME-secret.md", ["a.md", "README-secret.md"], ["README.md"]],
  ["!x\nx", ["x"], []],
  ["! a\n!", [], ["a"]],
  ["a\\b", ["ab"], ["a/b"]],
  ["A", ["A"], ["a"]],
];

describe("a .dockerignore", () => {
  it.each(cases)("%j", (text, out, kept) => {
    const rules = parseDockerIgnore(text);
    expect(out.filter((path) => !rules.match(path, false))).toEqual([]);
    expect(kept.filter((path) => rules.match(path, false))).toEqual([]);
  });

  it("says where exceptions may bring something back", () => {
    expect(parseDockerIgnore("a\n!a/b/*.md\n!c/d\n!*.x\n!/e/").exceptions).toEqual(["a/b", "c/d", "", "e"]);
  });

  it.each(["[", "a[", "[]a]", "x/[a"])("refuses %j", (text) => {
    expect(() => parseDockerIgnore(text)).toThrow(/is not a pattern/);
  });
});
