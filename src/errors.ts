/**
 * Every failure that this project raises on purpose is an {@link OpenComputerError}: one class, told apart by a stable
 * `code`, so that a program can react to it, and serialisable, so that it crosses HTTP and SSE unharmed.
 */

/** Stable, machine-readable reasons. A code is never renamed; new ones may be added. */
export const ERROR_CODES = [
  /** The request or program is wrong; `details.problems` lists every problem with its path. */
  "invalid_input",
  /** No API key, or one that the server does not know. */
  "unauthorized",
  /** The thing does not exist (for this organisation). */
  "not_found",
  /** The name is taken, or the state does not allow it. */
  "conflict",
  /** The sandbox existed but is stopped. */
  "gone",
  /** A build step failed; `details` has `step`, `stepType`, `summary`, `exitCode`, `lastLines` and the server's `buildId`. */
  "build_failed",
  /** The build was cancelled before it finished. */
  "build_cancelled",
  /** A local file changed after it was hashed; `details.path` names it. */
  "file_changed",
  /** The server needs bytes that nobody uploaded; `details.digests` names them. */
  "blob_missing",
  /** A bounded wait ran out. */
  "timeout",
  /** The caller's AbortSignal fired. */
  "aborted",
  /** The server cannot be reached or is stopping. */
  "unavailable",
  /** The organisation has or does as much as it may; `details` has `quota`, `value` and `limit`. */
  "quota_exceeded",
  /** The disk is nearly full; the message says what makes room. */
  "insufficient_storage",
  /** What it stands on is damaged on the server's disk and cannot be made again from what the server has. */
  "damaged",
  /** The engine or server cannot do this. */
  "unsupported",
  /** Something that the machine must have is missing; the message says how to get it. */
  "requirement_missing",
  /** The answer was not what the wire promises. */
  "protocol",
  /** A fault of ours; please report it. */
  "internal",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** One thing that is wrong with an input, and where. */
export interface Problem {
  /** Path into the input, for example `steps[2].args.packages[0]`. */
  readonly path: string;
  readonly message: string;
  /** What people call the place, for example `step 3, pip_install`. Absent where the path says it. */
  readonly where?: string;
}

export interface ErrorOptions {
  /** Structured facts for programs; must be JSON. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** True where the same call may succeed later without a change. Default: by code (`unavailable`, `timeout`). */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/** The JSON form of an error, as it stands in HTTP bodies and SSE `error` events. */
export interface ErrorJson {
  readonly error: string;
  readonly code?: ErrorCode;
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
}

const RETRYABLE: ReadonlySet<ErrorCode> = new Set(["unavailable", "timeout"]);
const BRAND = Symbol.for("pulumi-opencomputer.error");

/**
 * A failure with a stable `code`.
 *
 * @example
 * try { await snapshots.get("nope") } catch (error) {
 *   if (isOpenComputerError(error, "not_found")) console.log("not there yet")
 * }
 */
export class OpenComputerError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "OpenComputerError";
    this.code = code;
    this.retryable = options.retryable ?? RETRYABLE.has(code);
    this.details = options.details ?? {};
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** The form for the wire: `{error, code, retryable, details}`. The cause stays behind: it may hold local facts. */
  toJSON(): ErrorJson {
    return { error: this.message, code: this.code, retryable: this.retryable, details: this.details };
  }
}

/** True for our errors, also those of another copy of this package; with `code`, only for that code. */
export function isOpenComputerError(error: unknown, code?: ErrorCode): error is OpenComputerError {
  if (typeof error !== "object" || error === null || !(BRAND in error)) return false;
  return code === undefined || ("code" in error && error.code === code);
}

/** Whoever made more mistakes than these made one. */
const MAX_PROBLEMS = 100;

/**
 * One `invalid_input` error for a whole list of problems, each on its own line with its path; of more than a hundred the
 * first.
 */
export function invalidInput(what: string, allProblems: readonly Problem[]): OpenComputerError {
  const count = allProblems.length === 1 ? "1 problem" : `${allProblems.length} problems`;
  const problems = allProblems.slice(0, MAX_PROBLEMS);
  const lines = problems.map(({ path, where, message }) => {
    const place = where === undefined ? path : `${path} (${where})`;
    return `  ${place ? `${place}: ` : ""}${message}`;
  });
  if (allProblems.length > MAX_PROBLEMS) lines.push(`  … and ${allProblems.length - MAX_PROBLEMS} more`);
  return new OpenComputerError("invalid_input", `${what} has ${count}:\n${lines.join("\n")}`, {
    details: { problems },
  });
}

/** An error for the wire; unknown throwables become `internal` without their inner text. */
export function toErrorJson(error: unknown): ErrorJson {
  // A program of the host that found no room says so in its own words, whatever it was asked to do.
  if (isOutOfSpace(error)) return outOfSpace().toJSON();
  if (isOpenComputerError(error)) return error.toJSON();
  return { error: "internal error; see the server's log", code: "internal", retryable: false };
}

function isOutOfSpace(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (isOpenComputerError(error)) return error.code === "internal" && /no space left on device/i.test(error.message);
  return "code" in error && /^(ENOSPC|EDQUOT|SQLITE_FULL)$/.test(String(error.code));
}

function outOfSpace(): OpenComputerError {
  const advice = "delete sandboxes, snapshots or checkpoints and run `pulumi-opencomputer gc`, or make room on it";
  return new OpenComputerError("insufficient_storage", `the disk of the server is full: ${advice}`);
}

/**
 * An error from the wire. Bodies of servers that send no `code` (the hosted one) get theirs from `fallbackCode`.
 */
export function fromErrorJson(body: ErrorJson, fallbackCode: ErrorCode): OpenComputerError {
  const code = ERROR_CODES.find((known) => known === body.code) ?? fallbackCode;
  return new OpenComputerError(code, body.error, {
    details: body.details ?? {},
    ...(body.retryable === undefined ? {} : { retryable: body.retryable }),
  });
}

/** Ends a `switch` over a tagged union: a new tag without a case fails to compile. */
export function assertNever(value: never): never {
  throw new OpenComputerError("internal", `unexpected value ${JSON.stringify(value)}`);
}
