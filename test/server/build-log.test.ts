import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BuildEvent } from "../../src/engines/engine";
import { BuildLog, readBuildLog } from "../../src/server/services/build-log";

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "opencomputer-log-"));
  path = join(dir, "x.ndjson");
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const line = (message: string): BuildEvent => ({ step: 1, type: "run", message, stream: "stdout" });
const never = new AbortController().signal;

async function collect(events: AsyncGenerator<BuildEvent>): Promise<string[]> {
  const messages: string[] = [];
  for await (const event of events) messages.push(event.message);
  return messages;
}

describe("build log", () => {
  it("gives every reader every line once, whenever it comes", async () => {
    const log = new BuildLog(path);
    const readers = [collect(log.read(0, never))];
    for (let index = 0; index < 300; index++) {
      log.append(line(`${index} ${"é".repeat(index)}\n\r "q"`));
      if (index % 100 === 50) readers.push(collect(log.read(0, never)));
      if (index % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    log.close();
    const expected = await collect(readBuildLog(path, 0));
    expect(expected).toHaveLength(300);
    for (const reader of await Promise.all(readers)) expect(reader).toEqual(expected);
    expect(await collect(log.read(290, never))).toEqual(expected.slice(290));
  });

  it("has one line an event, whatever is in it", async () => {
    const log = new BuildLog(path);
    log.append(line("a\nb\r\n\u2028"));
    log.close();
    expect((await readFile(path, "utf8")).split("\n")).toHaveLength(2);
  });

  it("lets a reader leave while it waits", async () => {
    const log = new BuildLog(path);
    const leave = new AbortController();
    const reading = collect(log.read(0, leave.signal));
    setImmediate(() => leave.abort());
    await expect(reading).rejects.toThrow();
    log.close();
  });

  it("is empty where the file is gone", async () => {
    expect(await collect(readBuildLog(join(dir, "gone"), 0))).toEqual([]);
  });

  it("stops keeping what commands print before it fills the disk", async () => {
    const log = new BuildLog(path);
    const chunk = "x".repeat(1024 * 1024);
    for (let index = 0; index < 70; index++) log.append(line(chunk));
    log.append({ step: 2, type: "run", message: "step 2" });
    log.close();
    const messages = await collect(readBuildLog(path, 0));
    expect(messages.length).toBeLessThan(68);
    expect(messages.at(-2)).toContain("not kept");
    expect(messages.at(-1)).toBe("step 2");
  });
});
