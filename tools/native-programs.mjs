import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { findProgram, run } from "./command.mjs";
import { step } from "./progress.mjs";
import { PROJECT } from "./project.mjs";
import { digestFiles } from "./source-digest.mjs";

const COMPILE_TIMEOUT_MS = 5 * 60_000;
const CC_FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O2", "-static", "-s"];

/** The folder of each one's sources, which is part of its name. */
const FOLDERS = ["agent", "hand"];

/** @param {string} folder */
const targetOf = (folder) => `dist/agent/${process.arch}/opencomputer-${folder}`;

/** Where the engine's native programs are for machines like this one. */
export const NATIVE_PROGRAMS = Object.freeze(FOLDERS.map((folder) => join(PROJECT, targetOf(folder))));

/** The C compiler of this machine, or undefined. */
export const findCompiler = () => findProgram("cc") ?? findProgram("gcc");

/** Compiles those whose sources changed. A machine without a compiler, or without Linux, has no engine and does without. */
export async function provideNativePrograms() {
  const compiler = findCompiler();
  if (!compiler || process.platform !== "linux") return;
  for (const folder of FOLDERS) await compile(compiler, folder);
}

/**
 * @param {string} compiler
 * @param {string} folder
 */
async function compile(compiler, folder) {
  const target = targetOf(folder);
  const record = join(PROJECT, `${target}.sources`);
  const names = (await readdir(join(PROJECT, folder))).filter((name) => /\.[ch]$/.test(name)).sort();
  const digest = await digestFiles([...names.map((name) => join(folder, name)), "tools/native-programs.mjs"]);
  if ((await readFile(record, "utf8").catch(() => "")) === digest) return;
  const sources = names.filter((name) => name.endsWith(".c")).map((name) => join(folder, name));
  await mkdir(dirname(record), { recursive: true });
  await step(`Compiling ${target}`, (onLine) =>
    run(compiler, [...CC_FLAGS, "-o", `${target}.new`, ...sources], {
      cwd: PROJECT,
      timeoutMs: COMPILE_TIMEOUT_MS,
      onLine,
    }),
  );
  // The old one may be running.
  await rename(join(PROJECT, `${target}.new`), join(PROJECT, target));
  await writeFile(record, digest);
}
