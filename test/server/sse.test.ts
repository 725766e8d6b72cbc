import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { toByteStream, withHeartbeat } from "../../src/server/sse";

async function* slowly(waits: readonly number[], onEnd = () => {}): AsyncGenerator<string> {
  try {
    for (const [index, ms] of waits.entries()) {
      await sleep(ms);
      yield `${index}`;
    }
  } finally {
    onEnd();
  }
}

async function all(chunks: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const chunk of chunks) text += chunk;
  return text;
}

describe("heartbeat", () => {
  it("beats only where nothing comes for the interval, and loses no chunk", async () => {
    expect(await all(withHeartbeat(slowly([0, 0, 0]), ".", 1000))).toBe("012");
    expect(await all(withHeartbeat(slowly([0, 130, 0]), ".", 50))).toBe("0..12");
  });

  it("passes a failure on", async () => {
    const failing = (async function* (): AsyncGenerator<string> {
      yield "a";
      throw new Error("no");
    })();
    await expect(all(withHeartbeat(failing, ".", 1000))).rejects.toThrow("no");
  });
});

describe("byte stream", () => {
  it("ends the source when the reader leaves, and asks no faster than it reads", async () => {
    const ends: string[] = [];
    const source = slowly([0, 0, 0, 0], () => ends.push("source"));
    const reader = toByteStream(source, () => ends.push("leave")).getReader();
    await reader.read();
    await reader.cancel();
    expect(ends).toEqual(["leave", "source"]);
  });
});
