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

/**
 * `$1` is the command, `$2` the limit in seconds. Printed is the last attempt: its exit code, the folder that it started
 * in, and on the next lines what it said.
 */
const LOOP = `
end=$(( $(date +%s) + $2 )); said=$(mktemp); code=none
attempt() { timeout -k 1 "$left" sh -c "$1" >"$said" 2>&1; code=$?; return "$code"; }
until left=$(( end - $(date +%s) )); [ "$left" -gt 0 ] && attempt "$1"; do
  if [ "$left" -le 0 ]; then echo "$code $PWD"; tail -c 2000 "$said"; rm -f "$said"; exit 1; fi
  sleep 0.5
done
rm -f "$said"`;

/**
 * Repeats the command in the sandbox until it succeeds. One command, so that waiting costs no calls.
 *
 * @throws timeout with the last attempt's exit code, folder and output; what the call throws
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
  const [, code, folder, output = stdout] = /^(\d+) (\/[^\n]*)\n(.*)$/s.exec(stdout) ?? [];
  const how = code === undefined ? "" : ` (exit code ${explainCode(code)}, started in ${folder})`;
  const said = (output + stderr).trim();
  throw new OpenComputerError(
    "timeout",
    `the sandbox was not ready after ${seconds} s: ${check.command} did not succeed${how}; the sandbox was stopped again` +
      (said === "" ? "" : `. The command's last output:\n${said}`),
    { retryable: false },
  );
}

/** What `timeout` answers for a command that it had to end. */
function explainCode(code: string): string {
  return code === "124" || code === "137" ? `${code}: it was still running` : code;
}

/** For the loop itself to end before the call does. */
const GRACE_SECONDS = 10;
