import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { OpenComputerError } from "../../errors";
import { COMMAND_ENV } from "./command";
import { createHandCallers } from "./hand-callers";

/**
 * The server's hand: a small native process that mounts, makes networks and starts programs. Node can do none of the
 * first two, and starting a program takes it milliseconds, in which it does nothing else, because all of its memory is
 * forked. Its sources and verbs: `hand/`.
 */
export interface Hand {
  /**
   * Asks for one thing and waits for its end; every verb is bounded by itself. `number` tells this request from others
   * where what it made is meant later.
   *
   * @throws internal where the hand has died meanwhile; the next call starts another
   */
  ask(verb: string, ...words: readonly string[]): Promise<HandAnswer>;
  /** Asks for what succeeds or is an error. @throws internal with what went wrong */
  do(verb: string, ...words: readonly string[]): Promise<HandAnswer>;
  /** Runs a host program to its end; `argv` begins with its path. @throws internal where it cannot be started */
  run(argv: readonly string[], options: HandRunOptions): Promise<HandAnswer>;
  /** Like {@link Hand.run}, with a socket to us as the program's descriptor 3; null where it failed. */
  runConnected(argv: readonly string[], options: HandRunOptions): Promise<HandAnswer & { socket: Socket | null }>;
  /** Tells it something that has no answer. */
  tell(verb: string, ...words: readonly string[]): void;
  /** Ends it; what it holds is let go of, and whoever asks for more is told that it is closed (internal). */
  close(): void;
}

export interface HandAnswer {
  readonly number: number;
  /** 0 is success; else an errno, an exit code, or -1. */
  readonly result: number;
  readonly text: string;
}

export interface HandRunOptions {
  /** File that its output goes to. */
  readonly log: string;
  /** Killed after so long: a last resort. */
  readonly limitSeconds: number;
}

interface Pending {
  resolve(answer: HandAnswer): void;
  reject(error: Error): void;
}

type HandProcess = ChildProcess & { readonly stdin: Writable; readonly stdout: Readable };

/**
 * The hand of this program; its process starts with the first thing to do.
 *
 * @param socketPath where the programs that it runs reach us; made when the first is to
 */
export function createHand(program: string, socketPath: string): Hand {
  const callers = createHandCallers(socketPath);
  const pending = new Map<number, Pending>();
  let running: HandProcess | undefined;
  let isClosed = false;
  let lastNumber = 0;
  const settle = (answer: HandAnswer) => {
    pending.get(answer.number)?.resolve(answer);
    pending.delete(answer.number);
  };
  const lose = (why: string) => {
    running = undefined;
    for (const { reject } of pending.values()) reject(new OpenComputerError("internal", `the engine's hand ${why}`));
    pending.clear();
  };
  const send = (verb: string, words: readonly string[]): number => {
    // Another one would have nobody to end it.
    if (isClosed) throw new OpenComputerError("internal", `the engine's hand is closed; it was to ${verb}`);
    running ??= startHand(program, settle, lose);
    lastNumber = (lastNumber + 1) % 2 ** 32;
    running.stdin.write(toRequest(lastNumber, [verb, ...words]));
    return lastNumber;
  };
  const begin = (verb: string, words: readonly string[]) => {
    // The process first: where it cannot start, nobody waits.
    const number = send(verb, words);
    const answer = new Promise<HandAnswer>((resolve, reject) => pending.set(number, { resolve, reject }));
    return { number, answer };
  };
  return {
    ask: async (verb, ...words) => begin(verb, words).answer,
    do: async (verb, ...words) => assertDone(verb, await begin(verb, words).answer),
    run: async (argv, options) => assertStarted(argv, await begin("run", runWords(argv, options, "")).answer),
    async runConnected(argv, options) {
      const { number, answer } = begin("run", runWords(argv, options, await callers.path()));
      try {
        const ended = assertStarted(argv, await answer);
        if (ended.result === 0) return { ...ended, socket: await callers.take(number) };
        callers.refuse(number);
        return { ...ended, socket: null };
      } catch (error) {
        callers.refuse(number);
        throw error;
      }
    },
    tell(verb, ...words) {
      if (running && !isClosed) send(verb, words);
    },
    close() {
      isClosed = true;
      running?.stdin.end();
      callers.close();
    },
  };
}

function runWords(argv: readonly string[], { log, limitSeconds }: HandRunOptions, socket: string): string[] {
  return [String(limitSeconds), log, socket, ...argv];
}

function assertDone(verb: string, answer: HandAnswer): HandAnswer {
  if (answer.result === 0) return answer;
  throw new OpenComputerError("internal", `${verb} failed: ${answer.text || `result ${answer.result}`}`);
}

function assertStarted(argv: readonly string[], answer: HandAnswer): HandAnswer {
  if (answer.result >= 0) return answer;
  throw new OpenComputerError("internal", `${argv[0]} cannot be started: ${answer.text}`);
}

/** In a session of its own: an interrupt from the terminal is for the server, which then stops in order. */
function startHand(program: string, settle: (answer: HandAnswer) => void, lose: (why: string) => void): HandProcess {
  const child = spawn(program, [], { stdio: ["pipe", "pipe", "ignore"], env: COMMAND_ENV, cwd: "/", detached: true });
  let lost = false;
  const end = (why: string) => {
    if (!lost) lose(why);
    lost = true;
  };
  child.on("error", (error) => end(`cannot be started: ${error.message}`));
  child.on("exit", (code, signal) => end(`ended (${signal ?? code})`));
  // That it is gone is told by its exit.
  child.stdin.on("error", () => {});
  let rest: Buffer = Buffer.alloc(0);
  child.stdout.on("data", (chunk: Buffer) => {
    rest = readAnswers(Buffer.concat([rest, chunk]), settle);
  });
  // It holds no server open that has nothing else to do.
  child.unref();
  return child;
}

function toRequest(number: number, words: readonly string[]): Buffer {
  const body = Buffer.from(words.map((word) => `${word}\0`).join(""));
  const head = Buffer.alloc(8);
  head.writeUInt32LE(body.length + 4, 0);
  head.writeUInt32LE(number, 4);
  return Buffer.concat([head, body]);
}

/** Hands on whole answers and returns what is left of the last. */
function readAnswers(bytes: Buffer, settle: (answer: HandAnswer) => void): Buffer {
  let at = 0;
  while (bytes.length - at >= 4 && bytes.length - at - 4 >= bytes.readUInt32LE(at)) {
    const end = at + 4 + bytes.readUInt32LE(at);
    const [number, result] = [bytes.readUInt32LE(at + 4), bytes.readInt32LE(at + 8)];
    settle({ number, result, text: bytes.toString("utf8", at + 12, end) });
    at = end;
  }
  return bytes.subarray(at);
}
