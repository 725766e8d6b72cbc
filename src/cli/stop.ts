import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { type EmbeddedState, readEmbeddedState, silentError } from "../client/embedded-state";
import { embeddedHome, isAlive } from "../client/running-server";
import { OpenComputerError } from "../errors";
import { count } from "./format-cell";
import { formatJson } from "./format-table";
import { killSandbox } from "./kill-sandbox";
import { leftSandboxes } from "./left-sandboxes";
import type { Terminal } from "./terminal";

const HELP = `
Sandboxes run or sleep on, and the next server takes them over, unless --all kills them first; where they are left
without a server, it starts one for that. A server that is still starting is stopped, too. Stopping one that does not run is fine.

Examples:
  $ pulumi-opencomputer stop
  $ pulumi-opencomputer stop --all`;

/** Running builds are cancelled and the database is closed: seconds, not minutes. */
const STOP_TIMEOUT_MS = 60_000;
const POLL_MS = 100;

/** `stop`: ends the embedded server. */
export function stopCommand(terminal: Terminal): Command {
  return new Command("stop")
    .description("stop the embedded server")
    .option("--all", "kill all its sandboxes first")
    .option("--json", "print JSON: {stopped, pid?, killed, runOn}")
    .addHelpText("after", HELP)
    .action(async (options: { all?: boolean; json?: boolean }) => {
      refuseRemote(terminal.env);
      const killed = options.all ? await killAll(terminal) : [];
      const state = await readState(terminal);
      const pid = pidOf(state);
      if (pid !== undefined) await stopProcess(pid, terminal.signal);
      const runOn = await leftSandboxes(embeddedHome(terminal.env));
      const outcome = { stopped: pid !== undefined, ...(pid === undefined ? {} : { pid }), killed, runOn };
      if (options.json) return terminal.print(formatJson(outcome));
      if (killed.length > 0) terminal.print(`killed ${count(killed, "sandbox", "sandboxes")}`);
      terminal.print([describeEnd(state), ...describeRest(runOn)].join("; "));
    });
}

async function readState({ env, signal }: Terminal): Promise<EmbeddedState> {
  const state = await readEmbeddedState(embeddedHome(env), signal);
  if (state.kind === "silent") throw silentError(state);
  return state;
}

function describeEnd(state: EmbeddedState): string {
  const pid = pidOf(state);
  if (pid === undefined) return "no server was running";
  return `stopped the server${state.kind === "starting" ? " that was starting" : ""} (process ${pid})`;
}

function describeRest(runOn: readonly string[]): string[] {
  if (runOn.length === 0) return [];
  const what = count(runOn, "sandbox stays", "sandboxes stay");
  return [`${what} as before (${runOn.join(", ")}); to end them: pulumi-opencomputer stop --all`];
}

/** Who names another server means that one, and would wonder which one has stopped. */
function refuseRemote(env: Terminal["env"]): void {
  const name = ["OPENCOMPUTER_API_URL", "OPENCOMPUTER_API_KEY"].find((variable) => env[variable]);
  if (name === undefined) return;
  throw new OpenComputerError(
    "invalid_input",
    `${name} names another server, and stop ends only the embedded one of this machine; unset ${name}, or stop that server where it runs`,
  );
}

function pidOf(state: EmbeddedState): number | undefined {
  if (state.kind === "running") return state.server.card.pid;
  return state.kind === "starting" ? state.pid : undefined;
}

/** Only a server knows how to end a sandbox: where none is ready and there may be some, one is started for it. */
async function killAll(terminal: Terminal): Promise<string[]> {
  const { env, signal, open } = terminal;
  const state = await readState(terminal);
  if (state.kind !== "running" && (await leftSandboxes(embeddedHome(env))).length === 0) return [];
  const api = state.kind === "running" ? state.server.api : await open();
  const ids = (await api.listSandboxes({ signal })).map(({ sandboxID }) => sandboxID);
  for (const id of ids) await killSandbox(api, id, signal);
  return ids;
}

async function stopProcess(pid: number, signal: AbortSignal): Promise<void> {
  process.kill(pid, "SIGTERM");
  const deadline = performance.now() + STOP_TIMEOUT_MS;
  while (isAlive(pid)) {
    if (signal.aborted) throw new OpenComputerError("aborted", `the server (process ${pid}) is still stopping`);
    if (performance.now() > deadline) {
      throw new OpenComputerError(
        "timeout",
        `process ${pid} did not stop within ${STOP_TIMEOUT_MS / 1000} s; look at the server's log`,
      );
    }
    await sleep(POLL_MS);
  }
}
