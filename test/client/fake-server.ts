import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A server that says what a test tells it to, and remembers what it was asked. */
export interface FakeServer {
  readonly url: string;
  readonly requests: readonly RecordedRequest[];
  /** Requests whose client went away before the answer was complete. */
  readonly abandoned: readonly string[];
  close(): Promise<void>;
}

export interface RecordedRequest {
  /** `POST /api/snapshots`, with its query. */
  readonly call: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface Reply {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  /** Written one by one with a pause between them. */
  readonly chunks?: readonly (string | Uint8Array)[];
  /** Instead of an end: `hang` says nothing more, `cut` breaks the connection. */
  readonly end?: "hang" | "cut";
}

/** Replies by call (`GET /api/snapshots`, without the query); of a list, one after the other, the last again and again. */
export type Replies = Readonly<Record<string, Reply | readonly Reply[] | ((request: RecordedRequest) => Reply)>>;

export async function startFakeServer(replies: Replies): Promise<FakeServer> {
  const requests: RecordedRequest[] = [];
  const abandoned: string[] = [];
  const counts = new Map<string, number>();
  const server = createServer(async (request, response) => {
    const recorded = await record(request);
    requests.push(recorded);
    response.once("close", () => {
      if (!response.writableFinished) abandoned.push(recorded.call);
    });
    const key = recorded.call.replace(/\?.*/, "");
    const count = counts.get(key) ?? 0;
    counts.set(key, count + 1);
    await answer(response, pick(replies[key], count, recorded));
  });
  const port = await listen(server);
  return { url: `http://127.0.0.1:${port}`, requests, abandoned, close: () => close(server) };
}

/** Events as our server writes them. */
export function sse(...events: readonly (readonly [name: string, data: unknown])[]): Reply {
  const text = events.map(([name, data]) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`).join("");
  return { headers: { "content-type": "text/event-stream" }, chunks: [text] };
}

function pick(reply: Replies[string] | undefined, count: number, request: RecordedRequest): Reply {
  if (reply === undefined) return { status: 404, chunks: ["404 Not Found"] };
  if (typeof reply === "function") return reply(request);
  if (!Array.isArray(reply)) return reply as Reply;
  return reply[Math.min(count, reply.length - 1)] as Reply;
}

async function record(request: IncomingMessage): Promise<RecordedRequest> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk);
  } catch {
    // A client that broke off is what some tests want.
  }
  return { call: `${request.method} ${request.url}`, headers: request.headers, body: Buffer.concat(chunks) };
}

async function answer(response: ServerResponse, reply: Reply): Promise<void> {
  const chunks = reply.json === undefined ? (reply.chunks ?? []) : [JSON.stringify(reply.json)];
  const type = reply.json === undefined ? {} : { "content-type": "application/json" };
  if (reply.end === "cut" && chunks.length === 0) return void response.socket?.destroy();
  response.writeHead(reply.status ?? 200, { ...type, ...reply.headers });
  response.flushHeaders();
  for (const chunk of chunks) {
    response.write(chunk);
    await sleep(2);
  }
  if (reply.end === "cut") response.socket?.destroy();
  if (reply.end === undefined) response.end();
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
