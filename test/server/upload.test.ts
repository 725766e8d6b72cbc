import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import type { Context } from "hono";
import { describe, expect, it } from "vitest";
import type { AppEnv } from "../../src/server/auth";
import { uploadOf } from "../../src/server/upload";

/** A request that comes in over a connection. */
function connection() {
  const [incoming, outgoing] = [new PassThrough(), new PassThrough()];
  const context: Pick<Context<AppEnv>, "env"> = { env: { incoming, outgoing } };
  return { incoming, outgoing, upload: () => uploadOf(context as Context<AppEnv>) };
}

describe("an upload", () => {
  it("is what comes in", async () => {
    const { incoming, upload } = connection();
    const { content, signal } = upload();
    incoming.end("bytes");
    expect(await text(content)).toBe("bytes");
    expect(signal.aborted).toBe(false);
  });

  it("that is cut off breaks for whoever reads it, and for nobody else", async () => {
    const [read, unread] = [connection(), connection()];
    const [{ content }] = [read.upload(), unread.upload()];
    for (const { incoming } of [read, unread]) incoming.destroy(new Error("aborted"));
    await expect(text(content)).rejects.toThrow("aborted");
  });

  it("that nobody reads any more leaves the connection to its answer", async () => {
    const { incoming, upload } = connection();
    upload().content.destroy();
    incoming.write("more");
    await new Promise((resolve) => setImmediate(resolve));
    expect(incoming.destroyed).toBe(false);
  });

  it("says when its sender hangs up before the answer", async () => {
    const { outgoing, upload } = connection();
    const { signal } = upload();
    outgoing.destroy();
    await new Promise((resolve) => setImmediate(resolve));
    expect(signal.aborted).toBe(true);
  });
});
