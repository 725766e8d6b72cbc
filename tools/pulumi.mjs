import { runInForeground } from "./command.mjs";
import { runProgram } from "./main-program.mjs";
import { PROJECT } from "./project.mjs";
import { provide } from "./provide.mjs";
import { pulumiEnvironment } from "./pulumi-environment.mjs";

/** `node tools/pulumi.mjs …`: the Pulumi CLI with the settings of `npm start`, for example `preview --diff`. */
await runProgram(async () => {
  await provide();
  return runInForeground("pulumi", process.argv.slice(2), { cwd: PROJECT, env: pulumiEnvironment() });
});
