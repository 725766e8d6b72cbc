import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./command.mjs";
import { step } from "./progress.mjs";
import { PROJECT } from "./project.mjs";

const BUILD_TIMEOUT_MS = 10 * 60_000;
const SOURCES = ["src", "provider", "bench"];
const SETTINGS = ["tsconfig.json", "tsconfig.build.json", "package-lock.json"];
const RECORD = "dist/.sources";

/** Compiles TypeScript into dist/ where the sources are not those that it was made of. */
export async function provideDist() {
  const digest = await digestSources();
  const built = await readFile(join(PROJECT, RECORD), "utf8").catch(() => "");
  if (built === digest) return;
  await step("Compiling TypeScript into dist/", (onLine) =>
    run(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
      cwd: PROJECT,
      timeoutMs: BUILD_TIMEOUT_MS,
      onLine,
    }),
  );
  await writeFile(join(PROJECT, RECORD), digest);
}

/** One digest over the names and bytes of all that the compiler reads. */
async function digestSources() {
  const hash = createHash("sha256");
  for (const path of [...SETTINGS, ...(await listSources())]) {
    const bytes = await readFile(join(PROJECT, path)).catch(() => Buffer.alloc(0));
    hash.update(`${path}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex");
}

/** @returns {Promise<string[]>} */
async function listSources() {
  const lists = SOURCES.map(async (folder) => {
    const names = await readdir(join(PROJECT, folder), { recursive: true }).catch(() => []);
    return names.filter((name) => /\.([cm]?[jt]s|json)$/.test(name)).map((name) => join(folder, name));
  });
  return (await Promise.all(lists)).flat().sort();
}
