import { join } from "node:path";
import { runInForeground, searchPath } from "./command.mjs";
import { provideDist } from "./dist.mjs";
import { runProgram } from "./main-program.mjs";
import { provideNodeModules } from "./node-modules.mjs";
import { PROJECT } from "./project.mjs";
import { provide } from "./provide.mjs";

/** `npm run torture -- [NAME …]`: gets what the tests need, compiles, and runs torture/main.ts. */
await runProgram(async () => {
  await provideNodeModules();
  await provideDist();
  await provide("test");
  const main = join(PROJECT, "dist/torture/main.js");
  return runInForeground(process.execPath, [main, ...process.argv.slice(2)], {
    cwd: PROJECT,
    env: { PATH: searchPath() },
  });
});
