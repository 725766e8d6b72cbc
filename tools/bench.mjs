import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { provideBuildkit } from "./buildkit.mjs";
import { runInForeground, searchPath } from "./command.mjs";
import { provideDist } from "./dist.mjs";
import { provideDocker } from "./docker-engine.mjs";
import { runProgram } from "./main-program.mjs";
import { provideNodeModules } from "./node-modules.mjs";
import { PROJECT } from "./project.mjs";
import { provide } from "./provide.mjs";

const MAIN = join(PROJECT, "dist/bench/main.js");
const REGISTER = join(PROJECT, "dist/bench/benchmarks.js");

/** `npm run bench -- NAME`: gets what the benchmark needs, compiles, and runs bench/main.ts. */
await runProgram(async () => {
  const args = process.argv.slice(2);
  await provideNodeModules();
  await provideDist();
  const folders = await provideFor(args[0]);
  const env = { PATH: [...folders, searchPath()].join(delimiter) };
  return runInForeground(process.execPath, [MAIN, ...args], { cwd: PROJECT, env });
});

/**
 * What a benchmark needs of the machine; words that name none need nothing.
 *
 * @param {string | undefined} name
 * @returns {Promise<readonly string[]>} Folders of programs.
 */
async function provideFor(name) {
  const { BENCHMARKS } = /** @type {typeof import("../bench/benchmarks.js")} */ (
    createRequire(import.meta.url)(REGISTER)
  );
  const benchmark = BENCHMARKS.find((one) => one.name === name);
  if (!benchmark) return [];
  await provide("test");
  if (benchmark.rivals.includes("buildkit")) await provideBuildkit();
  return benchmark.rivals.includes("docker") ? await provideDocker() : [];
}
