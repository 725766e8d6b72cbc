import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { embeddedHome, findEmbedded, isAlive, type RunningEmbedded, readCard } from "../client/running-server";
import { OpenComputerError } from "../errors";
import { formatJson } from "./format-table";
import { killSandbox } from "./kill-sandbox";
import type { Terminal } from "./terminal";

const HELP = `
Sandboxes run on, and the next server takes them over, unless --all kills them first.
Stopping a server that does not run is fine.

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
    .option("--json", "print JSON: {stopped, pid?, killed}")
    .addHelpText("after", HELP)
    .action(async (options: { all?: boolean; json?: boolean }) => {
      const home = embeddedHome(terminal.env);
      const running = await findEmbedded(home, { signal: terminal.signal });
      if (!running) await refuseIfSilent(home);
      const killed = running && options.all ? await killAll(running, terminal.signal) : [];
      if (running) await stopProcess(running.card.pid, terminal.signal);
      const outcome = { stopped: running !== undefined, ...(running ? { pid: running.card.pid } : {}), killed };
      if (options.json) return terminal.print(formatJson(outcome));
      if (killed.length > 0) terminal.print(`killed ${killed.length} sandboxes`);
      terminal.print(running ? `stopped the server (process ${running.card.pid})` : "no server was running");
    });
}

/** A process that does not answer may be the server or a stranger with its number: only a person can tell. */
async function refuseIfSilent(home: string): Promise<void> {
  const card = await readCard(home);
  if (!card || !isAlive(card.pid)) return;
  throw new OpenComputerError(
    "unavailable",
    `process ${card.pid} lives but does not answer at ${card.url}; look at it with: ps -fp ${card.pid}, and if it is the server, end it with: kill ${card.pid}`,
  );
}

async function killAll({ api }: RunningEmbedded, signal: AbortSignal): Promise<string[]> {
  const ids = (await api.listSandboxes({ signal })).map((info) => info.sandboxID);
  for (const id of ids) await killSandbox(api, id, signal);
  return ids;
}

async function stopProcess(pid: number, signal: AbortSignal): Promise<void> {
  process.kill(pid, "SIGTERM");
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (isAlive(pid)) {
    if (signal.aborted) throw new OpenComputerError("aborted", `the server (process ${pid}) is still stopping`);
    if (Date.now() > deadline) {
      throw new OpenComputerError(
        "timeout",
        `process ${pid} did not stop within ${STOP_TIMEOUT_MS / 1000} s; look at the server's log`,
      );
    }
    await sleep(POLL_MS);
  }
}
