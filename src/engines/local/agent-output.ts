import { Readable } from "node:stream";
import { CREDIT_PARCEL_BYTES, WINDOW_BYTES } from "./agent-frames";

/** An output of a command on its way from an agent to whoever reads it. */
export interface AgentOutput {
  /** What the reader gets; it ends when {@link AgentOutput.end} is called. */
  readonly output: Readable;
  /** Takes bytes from the agent; false where they are more than there was credit for. */
  take(bytes: Buffer): boolean;
  /** Nothing more comes; what has come can still be read. */
  end(): void;
  /** Ends it at once: what nobody has read by now is lost. */
  cut(): void;
}

/** Who sends single bytes must not fill our memory with what is around them. */
const MAX_PARTS = 1_000;

/**
 * Holds at most a window of what a slow reader has not taken yet. `giveCredit` tells the agent how much it may send in
 * addition. What comes for a reader that is gone is dropped: the command runs on.
 */
export function createAgentOutput(giveCredit: (bytes: number) => void): AgentOutput {
  let held: Buffer[] = [];
  let credit = WINDOW_BYTES;
  let owed = 0;
  let isWanted = false;
  let isEnded = false;
  const pass = (bytes: Buffer) => {
    owed += bytes.length;
    if (owed >= CREDIT_PARCEL_BYTES) {
      credit += owed;
      giveCredit(owed);
      owed = 0;
    }
    isWanted = false;
    if (!output.destroyed) output.push(bytes);
  };
  const output = new Readable({
    read() {
      const bytes = held.shift();
      if (bytes) pass(bytes);
      else if (isEnded) output.push(null);
      else isWanted = true;
    },
    destroy(error, done) {
      for (const bytes of held.splice(0)) pass(bytes);
      done(error);
    },
  });
  const end = () => {
    if (isEnded) return;
    isEnded = true;
    if (isWanted) output.push(null);
  };
  return {
    output,
    take(bytes) {
      if (bytes.length > credit || isEnded) return false;
      credit -= bytes.length;
      if (isWanted || output.destroyed) pass(bytes);
      else held.push(bytes);
      if (held.length > MAX_PARTS) held = [Buffer.concat(held)];
      return true;
    },
    end,
    cut() {
      held = [];
      end();
    },
  };
}
