import { runProgram } from "./main-program.mjs";
import { say } from "./progress.mjs";
import { provide } from "./provide.mjs";
import { STACK } from "./pulumi-environment.mjs";
import { askPulumi, pulumi, stopServer } from "./quickstart.mjs";

/** `npm run destroy`: undoes `npm start` and keeps what was fetched and built, so that the next start is quick. */
await runProgram(async () => {
  await provide();
  const code = await destroyStack();
  if (code !== 0) return code;
  await stopServer();
  say("\nAll gone; fetched tools and built layers are kept for the next npm start.");
  return 0;
});

async function destroyStack() {
  const stacks = /** @type {{ name: string }[]} */ (await askPulumi("stack", "ls"));
  if (!stacks.some(({ name }) => name.split("/").at(-1) === STACK)) {
    say(`There is no stack ${STACK}.`);
    return 0;
  }
  return (
    (await pulumi("destroy", "--yes", "--stack", STACK)) || (await pulumi("stack", "rm", "--yes", "--stack", STACK))
  );
}
