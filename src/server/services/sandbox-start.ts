import type { Engine, SandboxSpec } from "../../engines/engine";
import { toAborted, withinLimit } from "./abortable";

/** The longest that an engine may take to start a sandbox whose image is built, but for its service. */
const START_TIMEOUT_MS = 120_000;

/** Has the engine start a sandbox; `onBooted` as in the engine. @throws aborted, timeout; nothing is left then */
export async function startSandbox(
  engine: Engine,
  spec: SandboxSpec,
  signal: AbortSignal,
  onBooted: () => void,
): Promise<void> {
  const limitMs = START_TIMEOUT_MS + readyTimeoutOf(spec);
  const tooLong = `the sandbox did not start within ${limitMs / 1000} s; the machine may be overloaded`;
  try {
    await withinLimit({ limitMs, tooLong, signals: [signal] }, (limited) =>
      engine.createSandbox(spec, limited, onBooted),
    );
  } catch (error) {
    throw signal.aborted ? toAborted(signal) : error;
  }
}

/** How long the service of a sandbox may take to be ready, where it has one; in milliseconds. */
export function readyTimeoutOf({ checkpoint }: SandboxSpec): number {
  return checkpoint.start?.readyTimeoutMs ?? 0;
}
