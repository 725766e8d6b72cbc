import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./command.mjs";
import { provideNativePrograms } from "./native-programs.mjs";
import { step } from "./progress.mjs";
import { PROJECT } from "./project.mjs";
import { digestFiles } from "./source-digest.mjs";

const BUILD_TIMEOUT_MS = 10 * 60_000;
/** Benchmarks install from the registry that tests have. */
const SOURCES = ["src", "provider", "bench", "torture", "test/fixtures"];
const SETTINGS = ["tsconfig.json", "tsconfig.build.json", "package-lock.json"];
/** What the engine imports of these tools. */
const SHARED = ["tools/runc-holes.mjs", "tools/version-number.mjs"];
const RECORD = "dist/.sources";

/** Compiles everything into dist/ that is not made of the sources as they are. */
export async function provideDist() {
  await provideNativePrograms();
  await provideTypeScript();
}

async function provideTypeScript() {
  const digest = await digestFiles([...SETTINGS, ...SHARED, ...(await listSources())]);
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

/** @returns {Promise<string[]>} */
async function listSources() {
  const lists = SOURCES.map(async (folder) => {
    const names = await readdir(join(PROJECT, folder), { recursive: true }).catch(() => []);
    return names.filter((name) => /\.([cm]?[jt]s|json)$/.test(name)).map((name) => join(folder, name));
  });
  return (await Promise.all(lists)).flat().sort();
}
