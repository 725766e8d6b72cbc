import type { Engine, SandboxSpec } from "../../engines/engine";
import { toAborted, withinLimit } from "./abortable";

/** The longest that an engine may take to start a sandbox whose image is built. */
const CREATE_TIMEOUT_MS = 120_000;

/** Has the engine start a sandbox. @throws aborted, timeout; nothing is left then */
export async function startSandbox(engine: Engine, spec: SandboxSpec, signal: AbortSignal): Promise<void> {
  const tooLong = `the sandbox did not start within ${CREATE_TIMEOUT_MS / 1000} s; the machine may be overloaded`;
  try {
    const limit = { limitMs: CREATE_TIMEOUT_MS, tooLong, signals: [signal] };
    await withinLimit(limit, (limited) => engine.createSandbox(spec, limited));
  } catch (error) {
    throw signal.aborted ? toAborted(signal) : error;
  }
}
