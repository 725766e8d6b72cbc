import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, it } from "vitest";
import { type HttpListener, listen } from "../../src/server/http-listener";
import { until } from "./test-server";

let listener: HttpListener | undefined;
afterEach(() => listener?.close(0));

describe("hanging up", () => {
  it("fires the request's signal, also where nobody looked at it before", async () => {
    let request: Request | undefined;
    const fetch = (incoming: Request) => {
      request = incoming;
      return new Promise<Response>(() => {});
    };
    listener = await listen({ fetch, host: "127.0.0.1", port: 0, maxConnections: 10 });
    const socket = connect(Number(new URL(listener.url).port), "127.0.0.1");
    await once(socket, "connect");
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await until("asked", () => request !== undefined);
    socket.destroy();
    // However late the look: time for the server to hear of it, as when a handler waits for something else first.
    await new Promise((resolve) => setTimeout(resolve, 200));
    await until("fired", () => request?.signal.aborted === true);
  });
});
