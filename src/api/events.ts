import { createParser, type EventSourceMessage } from "eventsource-parser";
import { type ErrorJson, OpenComputerError } from "../errors";
import { type BuildLogEvent, buildLogEventSchema } from "./schemas";

/**
 * The build stream, both ways: `build_log` any number of times, then `result` or `error`, nothing after it.
 * The official clients split on LF LF only, want a space after the colon and JSON on one line: so we write it.
 * Reading is as tolerant as the SSE standard: any line ending, chunks cut anywhere, comments, unknown events.
 */
export type StreamEvent =
  | { readonly kind: "build_log"; readonly data: BuildLogEvent }
  | { readonly kind: "error"; readonly data: ErrorJson }
  | { readonly kind: "result"; readonly data: unknown };

/** A sign of life for proxies and for clients that give up on a silent stream; at least every 15 seconds. */
export const KEEPALIVE = ": keepalive\n\n";

/** The text of one event, its blank line included. */
export function encodeEvent(event: StreamEvent): string {
  return `event: ${event.kind}\ndata: ${JSON.stringify(event.data)}\n\n`;
}

/**
 * The events of a stream of bytes, as they come. Events of a kind that is not known are passed over; one that the
 * stream's end cuts off is not an event.
 *
 * @throws protocol where the data of an event is not what its kind promises
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
