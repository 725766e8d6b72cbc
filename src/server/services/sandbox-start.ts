import type { Engine, SandboxSpec } from "../../engines/engine";
import { OpenComputerError } from "../../errors";
import { toAborted } from "./abortable";

/** The longest that an engine may take to start a sandbox whose image is built. */
const CREATE_TIMEOUT_MS = 120_000;

/** Has the engine start a sandbox. @throws aborted, timeout; nothing is left then */
export async function startSandbox(engine: Engine, spec: SandboxSpec, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.timeout(CREATE_TIMEOUT_MS);
  try {
    await engine.createSandbox(spec, AbortSignal.any([signal, limit]));
  } catch (error) {
    if (signal.aborted) throw toAborted(signal);
    if (!limit.aborted) throw error;
    const message = `the sandbox did not start within ${CREATE_TIMEOUT_MS / 1000} s; the machine may be overloaded`;
    throw new OpenComputerError("timeout", message, { cause: error });
  }
}
