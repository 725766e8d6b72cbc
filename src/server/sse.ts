import type { Context } from "hono";
import { encodeEvent, KEEPALIVE, KEEPALIVE_SECONDS } from "../api/events";
import { invalidInput, isOpenComputerError, toErrorJson } from "../errors";
import type { AppEnv } from "./auth";
import type { Log } from "./log";
import { whenAborted } from "./services/abortable";
import type { Progress } from "./services/progress";

export interface ProgressAnswer<T> {
  /** Begins the work; the signal fires when the reader leaves. */
  readonly begin: (signal: AbortSignal) => Progress<T>;
  readonly toBody: (value: T) => unknown;
  readonly log: Log;
}

/** True where the caller asked for a stream of events. */
export function wantsEvents(c: Context): boolean {
  return (c.req.header("accept") ?? "").includes("text/event-stream");
}

/** The `from` of a log's address: how many of its events to pass over. @throws invalid_input where it is no number */
export function readFrom(text = "0"): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw invalidInput("the request", [{ path: "from", message: `must be a number of events; it is ${text}` }]);
}

/**
 * Answers with the events of a build as they come: `build_log`s, then `result` or `error`. The reader's pace is the
 * stream's; one that leaves ends the work.
 *
 * @throws quota_exceeded where the organisation has too many readers
 */
export function streamProgress<T>(c: Context<AppEnv>, answer: ProgressAnswer<T>): Response {
  const left = new AbortController();
  const endCount = c.get("enter")("streams");
  const leave = () => {
    left.abort();
    endCount();
  };
  whenAborted(c.req.raw.signal, leave);
  const chunks = withHeartbeat(inBatches(toFrames(answer, left.signal, endCount)), KEEPALIVE, KEEPALIVE_SECONDS * 1000);
  return c.body(toByteStream(chunks, leave), 200, {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    Connection: "keep-alive",
  });
}

/** The most text that is joined, in characters: as much as a connection takes at a time. */
const BATCH_LENGTH = 32_768;

/** Joins what is there already: each chunk on its own way through streams and timers costs more than all that is in it. */
export async function* inBatches(chunks: AsyncGenerator<string>): AsyncGenerator<string> {
  const ask = () => {
    const next = chunks.next();
    // Where it fails while nobody looks: whoever asks for the next chunk hears of it.
    next.catch(() => {});
    return next;
  };
  try {
    let next = ask();
    for (let step = await next; !step.done; step = await next) {
      let text = step.value;
      next = ask();
      const isQuiet = new Promise<undefined>((resolve) => setImmediate(resolve, undefined));
      while (text.length < BATCH_LENGTH) {
        const more = await Promise.race([next, isQuiet]).catch(() => undefined);
        if (more === undefined || more.done) break;
        text += more.value;
        next = ask();
      }
      yield text;
    }
  } finally {
    await chunks.return(undefined);
  }
}

/** Chunks of text as they come, and a sign of life wherever nothing comes for `intervalMs`. */
export async function* withHeartbeat(chunks: AsyncGenerator<string>, beat: string, intervalMs: number) {
  try {
    for (;;) {
      const next = chunks.next();
      while (!(await settlesWithin(next, intervalMs))) yield beat;
      const step = await next;
      if (step.done) return;
      yield step.value;
    }
  } finally {
    await chunks.return(undefined);
  }
}

/** A response body that is read from a generator; `leave` is called when the reader goes away. */
export function toByteStream(chunks: AsyncGenerator<string>, leave: () => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const step = await chunks.next();
      if (step.done) controller.close();
      else controller.enqueue(encoder.encode(step.value));
    },
    async cancel() {
      leave();
      await chunks.return(undefined);
    },
  });
}

async function* toFrames<T>(
  answer: ProgressAnswer<T>,
  signal: AbortSignal,
  onOver: () => void,
): AsyncGenerator<string> {
  const progress = answer.begin(signal);
  try {
    for (;;) {
      const step = await progress.next();
      if (!step.done) {
        yield encodeEvent("build_log", step.value);
        continue;
      }
      yield encodeEvent("result", answer.toBody(step.value));
      return;
    }
  } catch (error) {
    if (!isOpenComputerError(error) && !signal.aborted) answer.log.error({ err: error }, "a stream broke");
    yield encodeEvent("error", toErrorJson(error));
  } finally {
    // Where the reader left in the middle, the work cleans up after itself.
    await progress.return(undefined as T);
    onOver();
  }
}

async function settlesWithin(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  try {
    return await Promise.race([
      promise.then(
        () => true,
        () => true,
      ),
      late,
    ]);
  } finally {
    clearTimeout(timer);
  }
}
