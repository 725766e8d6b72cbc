import type { z } from "zod";
import type { BuildOptions } from "../api/contract";
import { decodeEvents } from "../api/events";
import { fromErrorJson, isOpenComputerError, OpenComputerError } from "../errors";
import { type Call, parseAnswer, type Transport } from "./transport";

/** The server sends a sign of life every 15 seconds: four that did not come are a lost connection. */
const SILENCE_TIMEOUT_MS = 60_000;

/**
 * Sends a call that builds, hands each log line to `onBuildLog` as it comes, and returns the result. The stream is
 * closed in any case: when the signal fires, when the callback throws, and after the result.
 *
 * @throws the build's own error; unavailable where the connection breaks; protocol where the stream ends too early
 */
export async function followBuild<T>(
  transport: Transport,
  schema: z.ZodType<T>,
  call: Call,
  options: BuildOptions = {},
): Promise<T> {
  const stream = { accept: "text/event-stream", silenceTimeoutMs: SILENCE_TIMEOUT_MS, signal: options.signal };
  const { body, contentType } = await transport.open({ ...call, ...stream });
  const what = `${call.method} ${call.path}`;
  if (!contentType.includes("text/event-stream")) {
    return parseAnswer(schema, Buffer.concat(await body.toArray()).toString("utf8"), what);
  }
  try {
    for await (const event of decodeEvents(body)) {
      if (event.kind === "build_log") options.onBuildLog?.(event.data);
      if (event.kind === "error") throw fromErrorJson(event.data, "build_failed");
      if (event.kind === "result") return parseAnswer(schema, { value: event.data }, what);
    }
  } finally {
    body.destroy();
  }
  throw new OpenComputerError(
    "protocol",
    `the server ended the build stream of ${what} without a result; look at the server's log, then try again: steps that passed are not built twice`,
    { retryable: true },
  );
}

/**
 * Does all that a build is to whoever asks for it: files that go up, then the build itself.
 *
 * @throws aborted in the asker's words, who knows nothing of calls; what the work throws
 */
export async function asOneBuild<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!signal?.aborted || !isOpenComputerError(error, "aborted")) throw error;
    throw new OpenComputerError("aborted", CANCELLED, { cause: error });
  }
}

const CANCELLED = "the build was cancelled by its caller (Ctrl-C, or the AbortSignal that it was given)";
