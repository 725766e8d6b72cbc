import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { ask, childEnv, runInForeground } from "./command.mjs";
import { serverHome } from "./host.mjs";
import { interrupted } from "./interruption.mjs";
import { step } from "./progress.mjs";
import { PROJECT } from "./project.mjs";
import { pulumiEnvironment } from "./pulumi-environment.mjs";

/** Remembers which server `npm start` started, as `npm run destroy` stops that one and no other. */
const STARTED = join(PROJECT, ".pulumi/started-server");
const CONNECT = join(PROJECT, "dist/src/client/connect.js");
const COMMAND_LINE = join(PROJECT, "dist/src/cli/main.js");

/** Starts the embedded server where it does not run, so that a first base is made before the CLI waits for it. */
export async function startServer() {
  const title = "Starting the OpenComputer server; the first start makes the base image, which takes minutes";
  const before = await serverPid();
  const { connect } = await import(pathToFileURL(CONNECT).href);
  await step(title, (onProgress) => connect({ env: childEnv(), onProgress, signal: interrupted }));
  const after = await serverPid();
  if (!after || after === before) return;
  await mkdir(dirname(STARTED), { recursive: true });
  await writeFile(STARTED, after);
}

/** Stops the embedded server if `npm start` started it. */
export async function stopServer() {
  const started = await readFile(STARTED, "utf8").catch(() => undefined);
  if (started && started === (await serverPid())) await commandLine("stop");
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
 */
export function pulumi(...args) {
  return runInForeground("pulumi", args, { cwd: PROJECT, env: pulumiEnvironment() });
}

/**
 * Asks the Pulumi CLI for JSON.
 *
 * @param {...string} args
 * @returns {Promise<unknown>}
 */
export async function askPulumi(...args) {
  const { ok, text } = await ask("pulumi", [...args, "--json"], {
    cwd: PROJECT,
    env: pulumiEnvironment(),
    timeoutMs: 60_000,
  });
  if (!ok) throw new Error(`\`pulumi ${args.join(" ")}\` failed:\n${text}`);
  return JSON.parse(text);
}

/** The process id of the embedded server that runs here, as text. */
async function serverPid() {
  const card = await readFile(join(serverHome(), "server.json"), "utf8").catch(() => "{}");
  const { pid } = JSON.parse(card);
  return pid === undefined ? undefined : String(pid);
}
