import { z } from "zod";
import type { Api } from "../src/api/contract";
import { isOpenComputerError, OpenComputerError } from "../src/errors";

/** When a sandbox counts as ready: its command exits with 0. */
export const readyCheckSchema = z.strictObject({
  command: z.string().min(1),
  timeoutSeconds: z.int().min(1).max(3_600).optional(),
});
export type ReadyCheckInput = z.infer<typeof readyCheckSchema>;

const DEFAULT_TIMEOUT_SECONDS = 60;

/** `$1` is the command, `$2` the limit in seconds. The last attempt's output is what is printed. */
const LOOP = `
end=$(( $(date +%s) + $2 )); said=$(mktemp)
until left=$(( end - $(date +%s) )); [ "$left" -gt 0 ] && timeout -k 1 "$left" sh -c "$1" >"$said" 2>&1; do
  if [ "$left" -le 0 ]; then tail -c 2000 "$said"; rm -f "$said"; exit 1; fi
  sleep 0.5
done
rm -f "$said"`;

/**
 * Repeats the command in the sandbox until it succeeds. One command, so that waiting costs no calls.
 *
 * @throws timeout with what the command said last; what the call throws
 */
export async function waitUntilReady(api: Api, id: string, check: ReadyCheckInput, signal: AbortSignal): Promise<void> {
  const seconds = check.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  const args = ["-c", LOOP, "ready-check", check.command, String(seconds)];
  const { exitCode, stdout, stderr } = await api
    .exec(id, { cmd: "sh", args, timeout: seconds + GRACE_SECONDS }, { signal })
    .catch((error: unknown) => {
      if (!isOpenComputerError(error, "timeout")) throw error;
      return { exitCode: 1, stdout: "", stderr: error.message };
    });
  if (exitCode === 0) return;
  const said = (stdout + stderr).trim();
  throw new OpenComputerError(
    "timeout",
    `the sandbox was not ready after ${seconds} s: ${check.command} did not succeed; it was stopped again` +
      (said === "" ? "" : `. The command's last output:\n${said}`),
    { retryable: false },
  );
}

/** For the loop itself to end before the call does. */
const GRACE_SECONDS = 10;
