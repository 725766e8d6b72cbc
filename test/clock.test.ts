import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";

const ROOT = resolve(__dirname, "..");
/** Where moments are told to people, rows and libraries, or compared with those of files. */
const TELLS_THE_TIME = [
  "provider/blob-spool.ts",
  "provider/engine-log.ts",
  "src/engines/local/layer-watch.ts",
  "src/engines/local/network-slots.ts",
  "src/image/stat-cache.ts",
  "src/server/main.ts",
];

it("how long something takes is measured by a clock that nobody sets", () => {
  const files = ["src", "provider"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
  );
  const code = files.filter((file) => file.endsWith(".ts"));
  const withoutComments = (file: string) => readFileSync(join(ROOT, file), "utf8").replace(/^\s*(\/\/|\/?\*).*$/gm, "");
  const askers = code.filter((file) => /\bDate\.now\b|new Date\(\)\./.test(withoutComments(file)));
  expect(askers.sort()).toEqual(TELLS_THE_TIME);
});
