import { DOWNLOADS_INSIDE } from "../host-facts";
import { attemptDownload, runAttempt } from "./attempts";
import type { StepContext } from "./step-context";

const CACHE = `${DOWNLOADS_INSIDE}/pip`;
const LOG = `${DOWNLOADS_INSIDE}/pip.log`;
/** Running as root is the point. */
const PIP_ENV = { PIP_ROOT_USER_ACTION: "ignore", PIP_DISABLE_PIP_VERSION_CHECK: "1", PIP_NO_INPUT: "1" };

/**
 * Installs packages with pip into the system's Python. What pip downloads lies beside the layer, for later steps; it asks
 * the index each time, and compares what it has with the hashes that stand there. A package that pip builds runs code of
 * its own: what a step has then is not kept.
 */
export async function installPipPackages(context: StepContext, packages: readonly string[]): Promise<void> {
  if (packages.length === 0) return;
  // From elsewhere than the index: whatever pip runs to get it.
  if (packages.some((one) => /[@:]/.test(one))) context.distrustResponses();
  const argv = ["python3", "-m", "pip", "install", "--cache-dir", CACHE, "--log", LOG, "--", ...packages] as const;
  await attemptDownload(context, async (number) => {
    // It may be what is kept that is broken.
    if (number > 1) await context.ask(["find", CACHE, "-mindepth", "1", "-delete"]);
    const onLine = (line: string) => {
      if (runsCode(line)) context.distrustResponses();
      return true;
    };
    const command = { argv, env: { ...context.env, ...PIP_ENV }, onLine };
    const attempt = await runAttempt(context, "pip install", command, isPassingPipError);
    return attempt.exitCode === 0 || attempt.passing ? attempt : { ...attempt, passing: await silentError(context) };
  });
}

/** pip takes an index that answers with an error for one that has no such package, and tells that its log only. */
async function silentError(context: StepContext): Promise<string | null> {
  const said = await context.ask(["sed", "-n", "s/.*\\(Could not fetch URL .*\\)/\\1/p", LOG]);
  return said.split("\n").find(isPassingPipError) ?? null;
}

/**
 * Whether a line of pip announces code that is none of its own: the set-up of a package that is no wheel, or a program
 * that fetches one. pip says so before it starts it.
 */
export function runsCode(line: string): boolean {
  return /Preparing metadata|Getting requirements to build|Installing (build|backend) dependencies|Building (wheel|editable)|Running (setup\.py|command)|^\s*Cloning |\.(tar\.\w+|tgz|tar|zip)\b/i.test(
    line,
  );
}

/** Whether a line of pip says that a download failed in a way that may pass; not one that pip tries again by itself. */
export function isPassingPipError(line: string): boolean {
  if (/WARNING: Retrying/.test(line)) return false;
  return /DO NOT MATCH THE HASHES|\b(5\d\d Server|429 Client) Error|HTTP error (5\d\d|429)|Could not fetch URL .*(connection|timed out)|(ConnectionReset|NewConnection|Protocol|IncompleteRead|ReadTimeout)Error|IncompleteRead|Connection (aborted|broken)|ReadTimeout|BadZipFile|invalid wheel|Wheel .* is invalid/i.test(
    line,
  );
}
