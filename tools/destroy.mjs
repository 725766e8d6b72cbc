import { cacheFolders } from "./cache.mjs";
import { serverHome } from "./host.mjs";
import { runProgram } from "./main-program.mjs";
import { say } from "./progress.mjs";
import { provide } from "./provide.mjs";
import { STACK } from "./pulumi-environment.mjs";
import { askPulumi, pulumi, serverPid, stopServer } from "./quickstart.mjs";
import { purposeOf } from "./requirements.mjs";

/** `npm run destroy`: undoes `npm start` and keeps what was fetched and built, so that the next start is quick. */
await runProgram(async () => {
  await provide();
  const pidBefore = await serverPid();
  const isThere = await hasStack();
  const code = isThere ? await destroyStack() : 0;
  if (code !== 0) return code;
  await stopServer(pidBefore);
  const end = isThere ? "The quickstart is gone." : await describeSearch();
  say(`\n${end} ${describeKept(purposeOf(process.env))}`);
  return 0;
});

/** @param {import("./requirements.mjs").Purpose} purpose */
function describeKept(purpose) {
  const { root } = cacheFolders();
  if (purpose === "remote") return `Fetched tools are kept in ${root}, which may be removed.`;
  const home = serverHome();
  return [
    `Kept for the next npm start: the base and built layers in ${home}, fetched tools in ${root}.`,
    "To remove these, too, with all sandboxes of this machine's embedded server:",
    `  node dist/src/cli/main.js stop --all && rm -rf ${home} ${root}`,
  ].join("\n");
}

/** Who made it in another backend must know that it was not found here. */
async function describeSearch() {
  const { url } = /** @type {{ url?: string }} */ (await askPulumi("whoami", "--json"));
  return `Nothing was destroyed: the backend ${url ?? "in use"} has no stack ${STACK}; another one may (PULUMI_BACKEND_URL).`;
}

async function hasStack() {
  const stacks = /** @type {{ name: string }[]} */ (await askPulumi("stack", "ls", "--json"));
  return stacks.some(({ name }) => name.split("/").at(-1) === STACK);
}

async function destroyStack() {
  return (
    (await pulumi("destroy", "--yes", "--stack", STACK)) || (await pulumi("stack", "rm", "--yes", "--stack", STACK))
  );
}
