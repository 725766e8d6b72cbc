import { basename, posix } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OpenComputerError } from "../../errors";
import type { ExecSpec, Execution } from "../engine";
import type { AgentCommand, AgentExit, AgentStart } from "./agent-command";
import type { AgentConnection } from "./agent-connection";
import { commandLine, homeOf } from "./command-line";
import { type ContainerDeps, isRunning } from "./container";
import { supervise } from "./exec-supervision";

const START_TIMEOUT_MS = 30_000;
const LOOK_MS = 200;
/** A container that ends closes its connection a moment before it is gone. */
const LAST_MOMENT_MS = 1_000;

/**
 * Starts a command in the container of `dir`; see {@link ExecSpec}.
 *
 * @throws gone where the container does not run; invalid_input where `cwd` is no directory
 */
export async function execInContainer(
  deps: Pick<ContainerDeps, "agents" | "facts">,
  dir: string,
  spec: ExecSpec,
): Promise<Execution> {
  if (/^\/(proc|sys)(\/|$)/.test(posix.normalize(spec.cwd ?? "/"))) throw noDirectory(spec);
  const connection = await deps.agents.of(basename(dir)).catch(async (error) => {
    throw (await endsSoon(dir)) ? gone(dir) : error;
  });
  const command = connection.start(commandLine(spec, deps.facts.env), spec.stdin);
  const started = await withLimit(command, connection, dir);
  if (started.kind !== "started") throw await startError(started, dir, spec);
  return supervise({ ...command, exited: settled(command.exited, dir) }, spec);
}

/**
 * An agent that says nothing has been stopped by somebody inside: without its connection, the next command gets another.
 * Where the container has ended meanwhile there is none, and a pipe does not tell so to whoever comes after that.
 */
async function withLimit({ started }: AgentCommand, connection: AgentConnection, dir: string): Promise<AgentStart> {
  const giveUp = setTimeout(() => connection.close(), START_TIMEOUT_MS);
  const look = setInterval(async () => {
    if (!(await isRunning(dir))) connection.close();
  }, LOOK_MS);
  return started.finally(() => {
    clearTimeout(giveUp);
    clearInterval(look);
  });
}

/** Who hears that a command was lost with its container finds that container ended. */
async function settled(exited: Promise<AgentExit | null>, dir: string): Promise<AgentExit | null> {
  const exit = await exited;
  if (exit === null) await endsSoon(dir);
  return exit;
}

/** Whether a container whose connection is lost ends: it takes a moment. */
async function endsSoon(dir: string): Promise<boolean> {
  const until = performance.now() + LAST_MOMENT_MS;
  while (await isRunning(dir)) {
    if (performance.now() > until) return false;
    await sleep(20);
  }
  return true;
}

async function startError(start: AgentStart, dir: string, spec: ExecSpec): Promise<OpenComputerError> {
  if (start.kind === "no-directory") return noDirectory(spec);
  const ended = start.kind === "lost" ? await endsSoon(dir) : !(await isRunning(dir));
  if (ended) return gone(dir);
  const what = `cannot start a command in ${basename(dir)}`;
  if (start.kind === "failed") {
    return new OpenComputerError("internal", `${what}: no room for one more process (errno ${start.errno})`);
  }
  const advice = "try again; where that does not help, restore or delete the sandbox";
  const why = "what runs its commands does not answer, as when something inside has stopped or broken it";
  return new OpenComputerError("unavailable", `${what}: ${why}; ${advice}`);
}

function gone(dir: string): OpenComputerError {
  return new OpenComputerError("gone", `sandbox ${basename(dir)} is not running`);
}

function noDirectory({ cwd, user }: ExecSpec): OpenComputerError {
  const place = JSON.stringify(cwd ?? homeOf(user));
  const message = `the working directory ${place} is not a directory that user ${user} can enter in this sandbox`;
  return new OpenComputerError("invalid_input", message, { details: { cwd } });
}
