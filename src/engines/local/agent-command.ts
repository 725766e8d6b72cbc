import type { Readable } from "node:stream";
import { assertNever } from "../../errors";
import { type CommandEvent, FRAME } from "./agent-frames";
import { type AgentInput, createAgentInput } from "./agent-input";
import { type AgentOutput, createAgentOutput } from "./agent-output";

/** A command that an agent runs. */
export interface AgentCommand {
  /** Resolves when the command runs or cannot. */
  readonly started: Promise<AgentStart>;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when it is over; null where nobody is left to tell how. What it wrote may still come. */
  readonly exited: Promise<AgentExit | null>;
  /** Resolves when all that it wrote itself is in the outputs, and these end. */
  readonly done: Promise<void>;
  /** Signals the whole process group; of a command that is over nobody. */
  signal(number: number): void;
  /** Ends the outputs and {@link done} at once; the command runs on. */
  forget(): void;
}

export type AgentStart =
  | { readonly kind: "started" }
  | { readonly kind: "no-directory" }
  /** There is no room for one more process. */
  | { readonly kind: "failed"; readonly errno: number }
  /** The connection has ended. */
  | { readonly kind: "lost" };

/** The code is 128 + signal where a signal ended it; else the signal is 0. */
export interface AgentExit {
  readonly code: number;
  readonly signal: number;
}

/** The connection's side of a command. */
export interface RunningCommand {
  readonly command: AgentCommand;
  /** Takes what the agent says about it; false where that makes no sense. */
  handle(event: CommandEvent): boolean;
  /** The connection has ended. */
  lose(): void;
}

/** How a command speaks to its agent. */
export interface CommandSink {
  send(type: number, payload?: Buffer): void;
  say(type: number, ...numbers: readonly number[]): void;
}

/** A command whose start has been asked for. */
export function createAgentCommand(sink: CommandSink, stdin: Readable | undefined): RunningCommand {
  const [started, exited, done] = [signalOnce<AgentStart>(), signalOnce<AgentExit | null>(), signalOnce<void>()];
  const output = (stream: 1 | 2) => createAgentOutput((bytes) => sink.say(FRAME.credit, stream, bytes));
  const outputs: readonly AgentOutput[] = [output(1), output(2)];
  let input: AgentInput | undefined;
  const begin = () => {
    if (stdin)
      input = createAgentInput(stdin, { send: (b) => sink.send(FRAME.stdin, b), end: () => sink.send(FRAME.stdinEnd) });
    started.resolve({ kind: "started" });
  };
  const conclude = (finish: (output: AgentOutput) => void) => {
    input?.stop();
    started.resolve({ kind: "lost" });
    exited.resolve(null);
    outputs.forEach(finish);
    done.resolve();
  };
  // What is said twice would be kept twice.
  let [isAnswered, hasExited] = [false, false];
  const handle = (event: CommandEvent): boolean => {
    switch (event.type) {
      case "started":
        if (isAnswered) return false;
        isAnswered = true;
        if (!done.isResolved()) begin();
        return true;
      case "refused":
        if (isAnswered) return false;
        isAnswered = true;
        started.resolve(event.errno === 0 ? { kind: "no-directory" } : { kind: "failed", errno: event.errno });
        return true;
      case "stdout":
        return done.isResolved() || (outputs[0]?.take(event.bytes) ?? false);
      case "stderr":
        return done.isResolved() || (outputs[1]?.take(event.bytes) ?? false);
      case "stdin-credit":
        return input?.addCredit(event.bytes) ?? false;
      case "exited":
        if (hasExited) return false;
        hasExited = true;
        input?.stop();
        exited.resolve({ code: event.code, signal: event.signal });
        return true;
      case "done":
        conclude((output) => output.end());
        return true;
      default:
        return assertNever(event);
    }
  };
  return {
    command: {
      started: started.promise,
      stdout: (outputs[0] as AgentOutput).output,
      stderr: (outputs[1] as AgentOutput).output,
      exited: exited.promise,
      done: done.promise,
      signal: (number) => sink.say(FRAME.signal, number),
      forget() {
        if (done.isResolved()) return;
        sink.send(FRAME.forget);
        conclude((output) => output.cut());
      },
    },
    handle,
    lose: () => conclude((output) => output.end()),
  };
}

interface Once<T> {
  readonly promise: Promise<T>;
  /** The first value counts. */
  resolve(value: T): void;
  isResolved(): boolean;
}

function signalOnce<T>(): Once<T> {
  let settle: (value: T) => void = () => undefined;
  let isResolved = false;
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  const resolve = (value: T) => {
    isResolved = true;
    settle(value);
  };
  return { promise, resolve, isResolved: () => isResolved };
}
