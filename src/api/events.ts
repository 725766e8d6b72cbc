import { createParser, type EventSourceMessage } from "eventsource-parser";
import { type ErrorJson, OpenComputerError } from "../errors";
import type { BuildLogEvent } from "./records";
import { buildLogEventSchema } from "./schemas";

/**
 * Server-sent events as OpenComputer's wire has them: `event: <name>`, one `data: <JSON>` line, a blank line; LF only.
 * The official clients split at blank lines and read nothing else, so the encoder keeps to exactly this.
 */

/** A comment that keeps proxies and read timeouts quiet; clients skip it. */
export const KEEPALIVE = ": keepalive\n\n";

/** Seconds between two signs of life on a quiet stream: the shortest read timeout of an official client is 30. */
export const KEEPALIVE_SECONDS = 15;

/** The events of a build: any number of `build_log`, then one `result` or `error`. */
export type BuildEventName = "build_log" | "result" | "error";

/**
 * One event as text. The data stands on one line, whatever is in it: JSON escapes line breaks.
 *
 * @example encodeEvent("error", { error: "no" }) // 'event: error\ndata: {"error":"no"}\n\n'
 */
export function encodeEvent(name: BuildEventName, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** One event as it was read. */
export type StreamEvent =
  | { readonly kind: "build_log"; readonly data: BuildLogEvent }
  | { readonly kind: "error"; readonly data: ErrorJson }
  | { readonly kind: "result"; readonly data: unknown };

/**
 * The events of a stream of bytes, as they come. Reading is more tolerant than writing: LF or CRLF, chunks cut anywhere,
 * comments. Events of a kind that is not known are passed over; one that the stream's end cuts off is not an event.
 *
 * @throws protocol where a result is not JSON
 */
export async function* decodeEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent> {
  const pending: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => pending.push(message) });
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    for (const message of pending.splice(0)) {
      const event = toStreamEvent(message);
      if (event) yield event;
    }
  }
}

function toStreamEvent(message: EventSourceMessage): StreamEvent | undefined {
  switch (message.event) {
    case "build_log":
      return { kind: "build_log", data: toBuildLog(message.data) };
    case "error":
      return { kind: "error", data: toErrorBody(message.data) };
    case "result":
      return { kind: "result", data: parseData(message) };
    default:
      return undefined;
  }
}

/** A log line is for people: text that is not what we expect is shown as it is, rather than failing a build. */
function toBuildLog(data: string): BuildLogEvent {
  const parsed = buildLogEventSchema.safeParse(tryJson(data));
  return parsed.success ? parsed.data : { step: 0, type: "build", message: data };
}

function toErrorBody(data: string): ErrorJson {
  const body = tryJson(data);
  const isBody = typeof body === "object" && body !== null && "error" in body && typeof body.error === "string";
  return isBody ? (body as ErrorJson) : { error: data };
}

function parseData(message: EventSourceMessage): unknown {
  const value = tryJson(message.data);
  if (value !== undefined) return value;
  throw new OpenComputerError(
    "protocol",
    `the server sent a ${message.event} event that is not JSON: ${excerpt(message.data)}`,
  );
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function excerpt(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}
