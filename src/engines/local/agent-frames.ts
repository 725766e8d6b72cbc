/**
 * What the server and the agent inside a container say to each other: frames of a type (1 byte), the number of a command
 * (4 bytes) and a length (4 bytes), then so many bytes; numbers are little endian. The agent's side is
 * `agent/protocol.h`.
 */

/** Types of frames: those below 16 go to the agent, the others come from it. */
export const FRAME = {
  start: 1,
  stdin: 2,
  stdinEnd: 3,
  signal: 4,
  credit: 5,
  forget: 6,
  reset: 7,
  sync: 8,
  started: 16,
  refused: 17,
  stdout: 18,
  stderr: 19,
  stdinCredit: 20,
  exited: 21,
  done: 22,
  synced: 23,
} as const;

/** What the answer to a reset consists of: these very bytes, in no frame. */
export const RESET_BYTES = 16;

/** The most that one frame of input or output holds. */
export const FRAME_DATA_BYTES = 64 * 1024;
/** The most that the description of a command takes; the kernel allows half of it. */
export const FRAME_START_BYTES = 4 * 1024 * 1024;
/** How much of each stream of a command may be on its way without credit. */
export const WINDOW_BYTES = 512 * 1024;
/** Credit is given in parcels, because each costs a frame. */
export const CREDIT_PARCEL_BYTES = WINDOW_BYTES / 4;

const HEADER_BYTES = 9;

/** A command as the agent starts it. */
export interface AgentCommandLine {
  readonly argv: readonly string[];
  /** `name=value`. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly hasInput: boolean;
}

/** What comes from an agent; bytes of one frame may come in several parts. */
export type AgentEvent = CommandEvent | { readonly type: "synced" };

/** What concerns one command. */
export type CommandEvent =
  | { readonly type: "started" | "done"; readonly id: number }
  /** `errno` is 0 where the working directory is no directory that the user can enter. */
  | { readonly type: "refused"; readonly id: number; readonly errno: number }
  | { readonly type: "stdout" | "stderr"; readonly id: number; readonly bytes: Buffer }
  | { readonly type: "stdin-credit"; readonly id: number; readonly bytes: number }
  | { readonly type: "exited"; readonly id: number; readonly code: number; readonly signal: number };

/** A frame to the agent. */
export function frame(type: number, id: number, payload: Uint8Array = EMPTY): Buffer {
  return Buffer.concat([header(type, id, payload.length), payload]);
}

/** A frame of numbers. */
export function numbersFrame(type: number, id: number, ...numbers: readonly number[]): Buffer {
  return frame(type, id, numbersOf(numbers));
}

/** Only the head of a frame; its bytes are to follow. */
export function header(type: number, id: number, length: number): Buffer {
  const head = Buffer.allocUnsafe(HEADER_BYTES);
  head.writeUInt8(type, 0);
  head.writeUInt32LE(id, 1);
  head.writeUInt32LE(length, 5);
  return head;
}

/** The frame that starts a command; null where the command line is longer than an agent takes. */
export function startFrame(id: number, line: AgentCommandLine): Buffer | null {
  const numbers = numbersOf([line.uid, line.gid, line.hasInput ? 1 : 0, line.argv.length]);
  const text = [line.cwd, ...line.argv, ...line.env].map((part) => `${part}\0`).join("");
  const payload = Buffer.concat([numbers, Buffer.from(text)]);
  return payload.length > FRAME_START_BYTES ? null : frame(FRAME.start, id, payload);
}

/**
 * Reads frames out of what comes, cut anywhere. Every byte is the work of somebody who may be hostile: where they make
 * no sense, `read` says so by false, and the connection is to be ended.
 */
export function createFrameReader(onEvent: (event: AgentEvent) => boolean): { read(chunk: Buffer): boolean } {
  let rest: Buffer = EMPTY;
  // Of a frame of output, what is still to come.
  let open: { type: "stdout" | "stderr"; id: number; left: number } | undefined;
  const takeOutput = (chunk: Buffer) => {
    const bytes = chunk.subarray(0, open?.left);
    const { type, id, left } = open ?? { type: "stdout", id: 0, left: 0 };
    open = left > bytes.length ? { type, id, left: left - bytes.length } : undefined;
    return onEvent({ type, id, bytes }) ? bytes.length : -1;
  };
  const takeFrame = (chunk: Buffer) => {
    const [type, id, length] = [chunk.readUInt8(0), chunk.readUInt32LE(1), chunk.readUInt32LE(5)];
    if (type === FRAME.stdout || type === FRAME.stderr) {
      if (length < 1 || length > FRAME_DATA_BYTES) return -1;
      open = { type: type === FRAME.stdout ? "stdout" : "stderr", id, left: length };
      return HEADER_BYTES;
    }
    if (length !== lengthOf(type)) return -1;
    const whole = HEADER_BYTES + length;
    if (chunk.length < whole) return 0;
    const event = parseEvent(type, id, chunk.subarray(HEADER_BYTES, whole));
    return event !== null && onEvent(event) ? whole : -1;
  };
  return {
    read(chunk) {
      let todo = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      rest = EMPTY;
      while (todo.length > 0) {
        if (!open && todo.length < HEADER_BYTES) break;
        const taken = open ? takeOutput(todo) : takeFrame(todo);
        if (taken < 0) return false;
        if (taken === 0) break;
        todo = todo.subarray(taken);
      }
      rest = todo;
      return true;
    },
  };
}

const EMPTY = Buffer.alloc(0);

function numbersOf(numbers: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(4 * numbers.length);
  numbers.forEach((number, index) => {
    bytes.writeUInt32LE(number, 4 * index);
  });
  return bytes;
}

/** Bytes of a frame that holds no output; -1 for one that no agent of ours sends. */
function lengthOf(type: number): number {
  switch (type) {
    case FRAME.started:
    case FRAME.done:
    case FRAME.synced:
      return 0;
    case FRAME.refused:
    case FRAME.stdinCredit:
      return 4;
    case FRAME.exited:
      return 8;
    default:
      return -1;
  }
}

function parseEvent(type: number, id: number, payload: Buffer): AgentEvent | null {
  switch (type) {
    case FRAME.started:
      return { type: "started", id };
    case FRAME.done:
      return { type: "done", id };
    case FRAME.synced:
      return { type: "synced" };
    case FRAME.refused:
      return { type: "refused", id, errno: payload.readUInt32LE(0) };
    case FRAME.stdinCredit:
      return { type: "stdin-credit", id, bytes: payload.readUInt32LE(0) };
    case FRAME.exited:
      return { type: "exited", id, code: payload.readUInt32LE(0), signal: payload.readUInt32LE(4) };
    default:
      return null;
  }
}
