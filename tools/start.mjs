import { runProgram } from "./main-program.mjs";
import { say } from "./progress.mjs";
import { provide } from "./provide.mjs";
import { STACK } from "./pulumi-environment.mjs";
import { askPulumi, commandLine, healStack, pulumi, startServer } from "./quickstart.mjs";
import { purposeOf } from "./requirements.mjs";

const NEXT = `
What to try next
  change the image   edit examples/quickstart/index.ts or a file in examples/quickstart/agent, then npm start:
                     only what comes after your change is built
  see the plan       npm run pulumi -- preview --diff
  look inside        node dist/src/cli/main.js exec SANDBOX -- ls -l
  read on            README.md, docs/
  clean up           npm run destroy`;

/** `npm start`: makes the machine ready, brings the quickstart up and runs its tool inside the sandbox. */
await runProgram(async () => {
  await provide();
  if (purposeOf(process.env) === "local") await startServer();
  say("• Bringing examples/quickstart up: an image is built, snapshotted and started as a sandbox");
  // A sandbox that idled out or went with a reboot is made anew: the refresh notices that it is gone.
  const upCode =
    (await pulumi("stack", "select", "--create", STACK)) ||
    (await healStack()) ||
    (await pulumi("up", "--yes", "--refresh", "--stack", STACK));
  if (upCode !== 0) return upCode;
  const { sandboxId, command } = await readOutputs();
  say(`• Running the image's own tool inside sandbox ${sandboxId}: ${command}\n`);
  const runCode = await commandLine("exec", sandboxId, "--", command);
  if (runCode === 0) say(NEXT.replaceAll("SANDBOX", sandboxId));
  return runCode;
});

/** @returns {Promise<{ sandboxId: string, command: string }>} */
async function readOutputs() {
  const outputs = await askPulumi("stack", "output", "--json", "--stack", STACK);
  const { sandboxId, command } = /** @type {Record<string, unknown>} */ (outputs);
  if (typeof sandboxId === "string" && typeof command === "string") return { sandboxId, command };
  throw new Error(
    `The quickstart must export sandboxId and command as text for npm start; it exports ${JSON.stringify(outputs)}`,
  );
}
