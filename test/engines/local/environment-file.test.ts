import { expect, test } from "vitest";
import { withEnvironment } from "../../../src/engines/local/environment-file";

test.each([
  ["a first variable", "", { A: "1" }, 'A="1"\n'],
  ["quotes, dollars and spaces stand as they are", "", { A: `it's "so" $HOME ` }, `A="it's "so" $HOME "\n`],
  ["other lines stay", "# note\nPATH=/bin\n", { A: "1" }, '# note\nPATH=/bin\nA="1"\n'],
  ["an older value goes", 'A="0"\nexport A=x\nB=2\n', { A: "1" }, 'B=2\nA="1"\n'],
  ["a line end cannot stand there", 'A="old"\n', { A: "x\ny", B: "1" }, 'B="1"\n'],
  ["a comment sign cannot stand there", "", { A: "x#y" }, ""],
  ["a value that PAM would not read whole", "", { A: "x".repeat(1000) }, ""],
  ["a name is not a pattern", "AB=1\n", { A: "1" }, 'AB=1\nA="1"\n'],
])("%s", (_, before, vars, after) => {
  expect(withEnvironment(before, vars)).toBe(after);
});

test("writing twice is writing once", () => {
  const once = withEnvironment("X=1\n", { A: "1", B: "2" });
  expect(withEnvironment(once, { A: "1", B: "2" })).toBe(once);
});
