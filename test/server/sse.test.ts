import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { inBatches, toByteStream, withHeartbeat } from "../../src/server/sse";

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

describe("batches", () => {
  it("join what is there, up to a limit, and wait for nothing", async () => {
    const many = (async function* () {
      for (let at = 0; at < 10_000; at += 1) yield `line ${at}\n`;
    })();
    const chunks: string[] = [];
    for await (const chunk of inBatches(many)) chunks.push(chunk);
    expect(chunks.join("")).toBe(Array.from({ length: 10_000 }, (_, at) => `line ${at}\n`).join(""));
    expect(chunks.length).toBeLessThan(20);
    expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThan(33_000);
    const slow: string[] = [];
    for await (const chunk of inBatches(slowly([0, 30, 30]))) slow.push(chunk);
    expect(slow).toEqual(["0", "1", "2"]);
  });

  it("pass a failure on after what came before it, and end the source", async () => {
    const ends: string[] = [];
    const failing = (async function* (): AsyncGenerator<string> {
      try {
        yield "a";
        throw new Error("no");
      } finally {
        ends.push("source");
      }
    })();
    const batches = inBatches(failing);
    expect(await batches.next()).toEqual({ done: false, value: "a" });
    await expect(batches.next()).rejects.toThrow("no");
    expect(ends).toEqual(["source"]);
    const left = inBatches(slowly([0, 0, 0], () => ends.push("left")));
    await left.next();
    await left.return(undefined);
    expect(ends).toEqual(["source", "left"]);
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
