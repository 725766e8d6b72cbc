import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ERROR_CODES } from "../../src/errors";

it("every error code has its section, and every section its code", () => {
  const page = readFileSync(join(__dirname, "..", "..", "docs", "troubleshooting.md"), "utf8");
  const sections = [...page.matchAll(/^### `([a-z_]+)`\n\n(?=\S)/gm)].map(([, code]) => code);
  expect(sections).toEqual([...ERROR_CODES]);
});
