import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { ask, childEnv, runInForeground } from "./command.mjs";
import { serverHome } from "./host.mjs";
import { Interruption, interrupted } from "./interruption.mjs";
import { say, step } from "./progress.mjs";
import { PROJECT } from "./project.mjs";
import { explainPassphrase, pulumiEnvironment, STACK } from "./pulumi-environment.mjs";

/** Remembers which server `npm start` started, as `npm run destroy` stops that one and no other. */
const STARTED = join(PROJECT, ".pulumi/started-server");
/** Of what the CLI says to standard error, as much as its last message can have. */
const KEPT_CHARACTERS = 10_000;
/** Commands that keep an event log; the flag shows with PULUMI_DEBUG_COMMANDS. */
const LOGGED = new Set(["up", "refresh", "destroy"]);
const CONNECT = join(PROJECT, "dist/src/client/connect.js");
const RUNNING_SERVER = join(PROJECT, "dist/src/client/running-server.js");
const COMMAND_LINE = join(PROJECT, "dist/src/cli/main.js");

/** Starts the embedded server where it does not run, so that a first base is made before the CLI waits for it. */
export async function startServer() {
  const { findEmbedded } = await import(pathToFileURL(RUNNING_SERVER).href);
  const running = await findEmbedded(serverHome(), { signal: interrupted });
  if (running) {
    // Why it is that base was said at the first start; `status` tells it again.
    const base = running.info.base.replace(/, because .*/, "");
    return say(`• The OpenComputer server runs (${describeServer({ ...running.info, base })})`);
  }
  const title = "Starting the OpenComputer server; the first start makes the base image, which takes minutes";
  const { connect } = await import(pathToFileURL(CONNECT).href);
  const api = await step(title, (onProgress) => connect({ env: childEnv(), onProgress, signal: interrupted }));
  say(`  ${describeServer(await api.info({ signal: interrupted }))}`);
  const pid = await serverPid();
  if (!pid) return;
  await mkdir(dirname(STARTED), { recursive: true });
  await writeFile(STARTED, pid);
}

/** @param {{ base: string, runtime: string }} info */
function describeServer({ base, runtime }) {
  return `base ${base}, runtime ${runtime}`;
}

/**
 * Stops the embedded server if `npm start` started it, or if it was started since.
 *
 * @param {string | undefined} pidBefore the server's, before anything was done that may have started one
 */
export async function stopServer(pidBefore) {
  const started = await readFile(STARTED, "utf8").catch(() => undefined);
  const pid = await serverPid();
  if (pid && (pid === started || pid !== pidBefore)) await commandLine("stop");
  await rm(STARTED, { force: true });
}

/**
 * Runs our command line.
 *
 * @param {...string} args
 */
export function commandLine(...args) {
  return runInForeground(process.execPath, [COMMAND_LINE, ...args], { cwd: PROJECT });
}

/**
 * Runs the Pulumi CLI on the quickstart.
 *
 * @param {...string} args
 * @throws Interruption where the user stopped it, also with a Ctrl-C that only the CLI saw: it reads the terminal raw.
 */
export async function pulumi(...args) {
  const folder = await mkdtemp(join(tmpdir(), "opencomputer-events-"));
  const log = join(folder, "events.json");
  let said = "";
  const onStderr = (/** @type {string} */ text) => {
    said = (said + text).slice(-KEPT_CHARACTERS);
  };
  try {
    const logArgs = LOGGED.has(args[0] ?? "") ? ["--event-log", log] : [];
    const code = await runInForeground("pulumi", [...args, ...logArgs], {
      cwd: PROJECT,
      env: { ...pulumiEnvironment(), PULUMI_DEBUG_COMMANDS: "true" },
      onStderr,
    });
    const ending = code === 0 ? "done" : explainFailure(said, await readFile(log, "utf8").catch(() => ""));
    if (ending === "canceled") throw new Interruption("SIGINT");
    if (ending === "passphrase") say(`\n${explainPassphrase(pulumiEnvironment())}`);
    if (ending === "locked") say("\nIf no other Pulumi works on this stack, unlock it: npm run pulumi -- cancel --yes");
    return code;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Why the CLI failed.
 *
 * @param {string} said What it wrote to standard error.
 * @param {string} events Its event log, JSON lines: a cancelled update is told on standard output, which is the user's.
 * @returns {"canceled" | "locked" | "passphrase" | "failed"}
 */
export function explainFailure(said, events) {
  if (/"message":"update canceled\b/.test(events)) return "canceled";
  if (/incorrect passphrase|passphrase must be set/.test(said)) return "passphrase";
  return /currently locked by/.test(said) ? "locked" : "failed";
}

/**
 * Frees the stack of what a run left that was killed: resources whose creation began and never ended. Creating them anew
 * takes up what is there, so nothing is doubled.
 *
 * @returns {Promise<number>} The CLI's exit code; 0 where there was nothing to do.
 */
export async function healStack() {
  const { deployment } = /** @type {{ deployment?: { pending_operations?: unknown[] } }} */ (
    await askPulumi("stack", "export", "--stack", STACK)
  );
  const count = deployment?.pending_operations?.length ?? 0;
  if (count === 0) return 0;
  say(`• An interrupted run left ${count === 1 ? "1 operation" : `${count} operations`} unfinished; clearing up first`);
  return pulumi("refresh", "--yes", "--clear-pending-creates", "--stack", STACK);
}

/**
 * Asks the Pulumi CLI for JSON.
 *
 * @param {...string} args
 * @returns {Promise<unknown>}
 */
export async function askPulumi(...args) {
  const { ok, text } = await ask("pulumi", args, {
    cwd: PROJECT,
    env: pulumiEnvironment(),
    timeoutMs: 60_000,
  });
  if (!ok) throw new Error(`\`pulumi ${args.join(" ")}\` failed:\n${text}`);
  return JSON.parse(text);
}

/** The process id of the embedded server that runs here, as text. */
export async function serverPid() {
  const card = await readFile(join(serverHome(), "server.json"), "utf8").catch(() => "{}");
  const { pid } = JSON.parse(card);
  return pid === undefined ? undefined : String(pid);
}
