import { Readable, type Writable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import type { Context } from "hono";
import type { AppEnv } from "./auth";

/** The bytes that a request brings. */
export interface Upload {
  readonly content: Readable;
  /** Fires when who sends them hangs up before the answer. */
  readonly signal: AbortSignal;
}

/**
 * Takes the bytes from the connection itself where there is one: the web's streams between cost the server time for each
 * piece. Ask before anything can wait, and for no other view of the request's body or signal.
 */
export function uploadOf(c: Context<AppEnv>): Upload {
  const { incoming, outgoing } = c.env ?? {};
  if (incoming && outgoing) return { content: bytesOf(incoming), signal: untilHungUp(outgoing) };
  const body = c.req.raw.body;
  // Two declarations of one class: the web's and Node's.
  const content = body === null ? Readable.from([]) : Readable.fromWeb(body as NodeReadableStream<Uint8Array>);
  return { content, signal: c.req.raw.signal };
}

/** Who stops reading these bytes does not end the connection, which still has to bring the answer. */
function bytesOf(incoming: Readable): Readable {
  const content = new Readable({ read: () => void incoming.resume() });
  incoming.on("data", (chunk: Buffer) => {
    if (content.destroyed || !content.push(chunk)) incoming.pause();
  });
  incoming.once("end", () => content.push(null));
  incoming.once("error", (error) => content.destroy(error));
  // Whoever reads learns that it broke; where nobody does any more, the server must not end for it.
  content.on("error", () => undefined);
  incoming.once("close", () => {
    if (!incoming.readableEnded) content.destroy(new Error("the connection was closed before the end of the bytes"));
  });
  incoming.pause();
  return content;
}

function untilHungUp(outgoing: Writable): AbortSignal {
  const hangUp = new AbortController();
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) hangUp.abort();
  });
  if (outgoing.destroyed) hangUp.abort();
  return hangUp.signal;
}
