import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { OpenComputerError } from "../../errors";
import type { ExecSpec, Execution, FileEntry } from "../engine";
import {
  FILE_ERRORS,
  type FileCommand,
  listCommand,
  makeDirCommand,
  readCommand,
  removeCommand,
  writeCommand,
} from "./file-verbs";
import { readAtMost } from "./read-at-most";

/**
 * The files of a sandbox, through commands inside it: the host never follows a path that somebody in there chose.
 */
export interface SandboxFiles {
  read(id: string, path: string, signal: AbortSignal): Promise<Readable>;
  write(id: string, path: string, content: Readable, signal: AbortSignal): Promise<void>;
  list(id: string, path: string, signal: AbortSignal): Promise<FileEntry[]>;
  makeDir(id: string, path: string, signal: AbortSignal): Promise<void>;
  remove(id: string, path: string, signal: AbortSignal): Promise<void>;
}

type Exec = (id: string, spec: ExecSpec) => Promise<Execution>;

interface Call {
  readonly id: string;
  readonly argv: FileCommand;
  readonly path: string;
  readonly stdin?: Readable;
  readonly signal: AbortSignal;
}

/** What a directory's entries may take: some hundred thousand names. */
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;
/** Generous: of a file that streams, all of the streaming counts. */
const LIMIT_MS = 3_600_000;
/** A command whose input broke off removes what it began; one that somebody inside has stopped does not. */
const CLEAN_UP_MS = 5_000;
const SIGKILL = 9;

/** File operations over an engine's exec; none takes longer than an hour. */
export function createSandboxFiles(exec: Exec): SandboxFiles {
  const run = async (call: Call) => {
    const execution = await start(exec, call);
    const end = () => void execution.kill(SIGKILL);
    const [output, errors] = await Promise.all([
      readAtMost(execution.stdout, MAX_OUTPUT_BYTES, end),
      readAtMost(execution.stderr, MAX_ERROR_BYTES, end),
    ]);
    if (output === null || errors === null) throw tooMuch(call);
    await assertDone(execution, call, errors.toString("utf8"));
    return output;
  };
  return {
    read: (id, path, signal) => readFile(exec, { id, argv: readCommand(path), path, signal }),
    async write(id, path, content, signal) {
      if (signal.aborted) throw new OpenComputerError("aborted", `stopped before ${path} was written`);
      // The file is taken only where this stands at its end: a write that broke off is no file.
      const seal = randomBytes(16).toString("hex");
      const stdin = sealed(content, seal);
      const late = lateAbort(stdin);
      const stop = () => {
        stdin.destroy();
        late.arm();
      };
      signal.addEventListener("abort", stop, { once: true });
      try {
        // Not the caller's signal: a command that is killed cannot clean up, one whose input ends early does.
        await run({ id, argv: writeCommand(path, seal), path, stdin, signal: late.signal });
      } finally {
        signal.removeEventListener("abort", stop);
        stdin.destroy();
        late.dispose();
      }
    },
    async list(id, path, signal) {
      const call = { id, argv: listCommand(path), path, signal };
      return parseEntries(call, (await run(call)).toString("utf8"));
    },
    async makeDir(id, path, signal) {
      await run({ id, argv: makeDirCommand(path), path, signal });
    },
    async remove(id, path, signal) {
      await run({ id, argv: removeCommand(path), path, signal });
    },
  };
}

async function start(exec: Exec, { id, argv, path, stdin, signal }: Call): Promise<Execution> {
  if (!path.startsWith("/") || path.includes("\0")) {
    const message = `${JSON.stringify(path)} is not a path in a sandbox; expected an absolute one such as /workspace/a`;
    throw new OpenComputerError("invalid_input", message);
  }
  if (signal.aborted) throw new OpenComputerError("aborted", `stopped before ${path} was touched`);
  const spec: ExecSpec = { argv, env: {}, cwd: "/", user: "root", timeoutMs: LIMIT_MS, signal };
  return exec(id, { ...spec, ...(stdin ? { stdin } : {}) });
}

async function assertDone(execution: Execution, call: Call, errors: string): Promise<void> {
  const { exitCode, timedOut } = await execution.result;
  if (exitCode === 0) return;
  if (timedOut) throw new OpenComputerError("timeout", `${call.path}: not done within ${LIMIT_MS / 60_000} minutes`);
  if (call.signal.aborted) throw new OpenComputerError("aborted", `stopped while working on ${call.path}`);
  const known = FILE_ERRORS[exitCode];
  if (known) throw new OpenComputerError(known.code, `${call.path} ${known.message}`, { details: { path: call.path } });
  if (exitCode === -1) throw new OpenComputerError("gone", `sandbox ${call.id} ended while ${call.path} was worked on`);
  throw new OpenComputerError("invalid_input", `cannot do this with ${call.path}: ${errors.trim()}`);
}

function tooMuch({ id, path }: Call): OpenComputerError {
  const allowed = `at most ${MAX_OUTPUT_BYTES} bytes of entries and ${MAX_ERROR_BYTES} of messages are taken`;
  return new OpenComputerError("invalid_input", `sandbox ${id} had too much to say about ${path}: ${allowed}`);
}

/** Resolves once the file is found: the command says so in one byte before its own. */
async function readFile(exec: Exec, call: Call): Promise<Readable> {
  const execution = await start(exec, call);
  const errors = readAtMost(execution.stderr, MAX_ERROR_BYTES, () => void execution.kill(SIGKILL));
  const chunks = execution.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first = await chunks.next();
  if (first.done) {
    const said = await errors;
    if (said === null) throw tooMuch(call);
    await assertDone(execution, call, said.toString("utf8"));
    throw new OpenComputerError("internal", `nothing came from ${call.path}`);
  }
  return Readable.from(fileBytes(first.value, chunks, execution, call), { objectMode: false });
}

async function* fileBytes(
  first: Buffer,
  chunks: AsyncIterator<Buffer>,
  execution: Execution,
  call: Call,
): AsyncGenerator<Buffer> {
  let over = false;
  try {
    if (first.length > 1) yield first.subarray(1);
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
    over = true;
    await assertDone(execution, call, "the file could not be read to its end");
  } finally {
    if (!over) await execution.kill(SIGKILL);
  }
}

function sealed(content: Readable, seal: string): Readable {
  const output = new PassThrough();
  content.on("error", () => output.destroy());
  content.on("close", () => {
    if (!content.readableEnded) output.destroy();
  });
  content.on("end", () => output.end(seal));
  content.pipe(output, { end: false });
  return output;
}

interface LateAbort {
  readonly signal: AbortSignal;
  /** Lets the time run; so does input that breaks off. */
  arm(): void;
  dispose(): void;
}

/** Fires when a command had its time to clean up. */
function lateAbort(stdin: Readable): LateAbort {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const arm = () => {
    timer ??= setTimeout(() => controller.abort(), CLEAN_UP_MS);
  };
  const closed = () => {
    if (!stdin.readableEnded) arm();
  };
  stdin.once("close", closed);
  const dispose = () => {
    stdin.off("close", closed);
    clearTimeout(timer);
  };
  return { signal: controller.signal, arm, dispose };
}

function parseEntries(call: Call, output: string): FileEntry[] {
  const entries = output
    .split("\0")
    .filter(Boolean)
    .map((line) => parseEntry(call, line));
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * `<type> <size> <name>`. Root inside can make the command say what it likes, and whoever lists may take a name for one:
 * so it is one, and leads nowhere.
 */
function parseEntry({ id, path }: Call, line: string): FileEntry {
  const [, type, size, name = "/"] = /^([dfl]) (\d{1,19}) (.+)$/s.exec(line) ?? [];
  if (name.includes("/") || name === "." || name === "..") {
    throw new OpenComputerError(
      "invalid_input",
      `sandbox ${id} lists what cannot be in ${path}; nothing of it is told`,
    );
  }
  return { name, path: posix.join(path, name), isDir: type === "d", sizeBytes: Number(size) };
}
