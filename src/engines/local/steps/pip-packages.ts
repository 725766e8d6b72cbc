import { DOWNLOADS_INSIDE } from "../host-facts";
import { attemptDownload, runAttempt } from "./attempts";
import type { StepContext } from "./step-context";

const CACHE = `${DOWNLOADS_INSIDE}/pip`;
const LOG = `${DOWNLOADS_INSIDE}/pip.log`;
/** Running as root is the point. */
const PIP_ENV = { PIP_ROOT_USER_ACTION: "ignore", PIP_DISABLE_PIP_VERSION_CHECK: "1", PIP_NO_INPUT: "1" };

/**
 * Installs packages with pip into the system's Python. What pip downloads lies beside the layer, for later steps; it asks
 * the index each time, and compares what it has with the hashes that stand there.
 */
export async function installPipPackages(context: StepContext, packages: readonly string[]): Promise<void> {
  if (packages.length === 0) return;
  const argv = ["python3", "-m", "pip", "install", "--cache-dir", CACHE, "--log", LOG, "--", ...packages] as const;
  await attemptDownload(context, async (number) => {
    // It may be what is kept that is broken.
    if (number > 1) await context.ask(["find", CACHE, "-mindepth", "1", "-delete"]);
    const command = { argv, env: { ...context.env, ...PIP_ENV } };
    const attempt = await runAttempt(context, "pip install", command, isPassingPipError);
    return attempt.exitCode === 0 || attempt.passing ? attempt : { ...attempt, passing: await silentError(context) };
  });
}

/** pip takes an index that answers with an error for one that has no such package, and tells that its log only. */
async function silentError(context: StepContext): Promise<string | null> {
  const said = await context.ask(["sed", "-n", "s/.*\\(Could not fetch URL .*\\)/\\1/p", LOG]);
  return said.split("\n").find(isPassingPipError) ?? null;
}

/** Whether a line of pip says that a download failed in a way that may pass; not one that pip tries again by itself. */
export function isPassingPipError(line: string): boolean {
  if (/WARNING: Retrying/.test(line)) return false;
  return /DO NOT MATCH THE HASHES|\b(5\d\d Server|429 Client) Error|HTTP error (5\d\d|429)|Could not fetch URL .*(connection|timed out)|(ConnectionReset|NewConnection|Protocol|IncompleteRead|ReadTimeout)Error|IncompleteRead|Connection (aborted|broken)|ReadTimeout|BadZipFile|invalid wheel|Wheel .* is invalid/i.test(
    line,
  );
}
