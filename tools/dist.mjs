import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { findProgram, run } from "./command.mjs";
import { step } from "./progress.mjs";
import { PROJECT } from "./project.mjs";

const BUILD_TIMEOUT_MS = 10 * 60_000;
/** Benchmarks install from the registry that tests have. */
const SOURCES = ["src", "provider", "bench", "test/fixtures"];
/** Native programs: the folder of each one's sources, which is part of its name. */
const PROGRAMS = ["agent", "hand"];
const CC_FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O2", "-static", "-s"];
const SETTINGS = ["tsconfig.json", "tsconfig.build.json", "package-lock.json"];
const RECORD = "dist/.sources";

/** Compiles everything into dist/ that is not made of the sources as they are. */
export async function provideDist() {
  await provideTypeScript();
  for (const folder of PROGRAMS) await provideProgram(folder);
}

/**
 * A machine without a C compiler, or without Linux, does without native programs: only the engine needs them.
 *
 * @param {string} folder
 */
async function provideProgram(folder) {
  const compiler = findProgram("cc") ?? findProgram("gcc");
  if (!compiler || process.platform !== "linux") return;
  const target = `dist/agent/${process.arch}/opencomputer-${folder}`;
  const names = (await readdir(join(PROJECT, folder))).filter((name) => /\.[ch]$/.test(name)).sort();
  const digest = await digestFiles([...names.map((name) => join(folder, name)), "tools/dist.mjs"]);
  if ((await readFile(join(PROJECT, `${target}.sources`), "utf8").catch(() => "")) === digest) return;
  const sources = names.filter((name) => name.endsWith(".c")).map((name) => join(folder, name));
  await mkdir(dirname(join(PROJECT, target)), { recursive: true });
  await step(`Compiling ${target}`, (onLine) =>
    run(compiler, [...CC_FLAGS, "-o", target, ...sources], { cwd: PROJECT, timeoutMs: BUILD_TIMEOUT_MS, onLine }),
  );
  await writeFile(join(PROJECT, `${target}.sources`), digest);
}

async function provideTypeScript() {
  const digest = await digestFiles([...SETTINGS, ...(await listSources())]);
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

/**
 * One digest over the names and bytes of all that a compiler reads.
 *
 * @param {readonly string[]} paths
 */
async function digestFiles(paths) {
  const hash = createHash("sha256");
  for (const path of paths) {
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
