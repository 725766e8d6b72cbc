import type { ServerApi } from "../api/contract";
import { connect } from "../client/connect";

/** What a command may see of the world: where it prints, when it must end, and the server. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires at Ctrl-C. */
  readonly signal: AbortSignal;
  /** True where a person reads stdout. */
  readonly isInteractive: boolean;
  /** Results: what a program that calls us reads. */
  readonly print: (text: string) => void;
  /** Everything else. */
  readonly note: (text: string) => void;
  /** Raw bytes of a command's output, without a line end of ours. */
  readonly write: (stream: "stdout" | "stderr", text: string) => void;
  /** The server of the environment; the embedded one is started where it does not run. */
  readonly open: () => Promise<ServerApi>;
}

/** The terminal of this process. */
export function createTerminal(signal: AbortSignal): Terminal {
  const note = (text: string) => process.stderr.write(`${text}\n`);
  return {
    env: process.env,
    signal,
    isInteractive: process.stdout.isTTY === true,
    print: (text) => process.stdout.write(`${text}\n`),
    note,
    write: (stream, text) => process[stream].write(text),
    open: () => connect({ env: process.env, signal, onProgress: note, onWarning: (text) => note(`warning: ${text}`) }),
  };
}
