import type { ExecRequest } from "../../api/records";
import type { Checkpoint, ExecSpec } from "../../engines/engine";
import { invalidInput } from "../../errors";

/** Seconds that a command may take where its request does not say. */
export const DEFAULT_TIMEOUT_SECONDS = 60;

/**
 * A request as the engine wants it. The environment is the image's, over it the sandbox's, over it the command's own;
 * a bare `cmd` without arguments is a line for the shell.
 *
 * @throws invalid_input where the working directory is not absolute
 */
export function toExecSpec(
  request: ExecRequest,
  image: Pick<Checkpoint, "env" | "workdir">,
  sandboxEnvs: Readonly<Record<string, string>>,
): ExecSpec {
  const cwd = request.cwd || null;
  if (cwd !== null && !cwd.startsWith("/")) {
    throw invalidInput("the command", [{ path: "cwd", message: `must be an absolute path; it is ${cwd}` }]);
  }
  return {
    argv: request.args?.length ? [request.cmd, ...request.args] : ["/bin/sh", "-c", request.cmd],
    env: { ...image.env, ...sandboxEnvs, ...request.envs },
    cwd: cwd ?? image.workdir,
    user: "sandbox",
    timeoutMs: Math.round((request.timeout ?? DEFAULT_TIMEOUT_SECONDS) * 1000),
  };
}
