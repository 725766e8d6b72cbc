import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { runInForeground } from "./command.mjs";
import { runProgram } from "./main-program.mjs";
import { say } from "./progress.mjs";
import { PROJECT } from "./project.mjs";
import { provide } from "./provide.mjs";

/** `npm run bench -- NAME`: compiles and runs bench/NAME.ts on a machine with both runtimes. */
await runProgram(async () => {
  const [name, ...args] = process.argv.slice(2);
  const names = await listBenches();
  if (!name || !names.includes(name)) {
    say(`Which benchmark${name ? `, as there is no ${JSON.stringify(name)}` : ""}? npm run bench -- NAME`);
    for (const known of names) say(`  ${known}`);
    return 2;
  }
  await provide("test");
  return runInForeground(process.execPath, [join(PROJECT, "dist/bench", `${name}.js`), ...args], { cwd: PROJECT });
});

async function listBenches() {
  const files = await readdir(join(PROJECT, "bench")).catch(() => []);
  return files.filter((file) => file.endsWith(".ts")).map((file) => file.slice(0, -".ts".length));
}
