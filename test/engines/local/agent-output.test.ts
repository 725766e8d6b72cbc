import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { WINDOW_BYTES } from "../../../src/engines/local/agent-frames";
import { createAgentOutput } from "../../../src/engines/local/agent-output";

function outputWithCredit() {
  const given: number[] = [];
  return { given, out: createAgentOutput((bytes) => given.push(bytes)) };
}
const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);

test("what nobody reads stays within the window, and more than the window is refused", () => {
  const { given, out } = outputWithCredit();
  const part = Buffer.alloc(WINDOW_BYTES / 8);
  for (let n = 0; n < 8; n++) expect(out.take(part)).toBe(true);
  expect(out.take(Buffer.alloc(1))).toBe(false);
  expect(given).toEqual([]);
});

test("what is read is credited, and arrives in order", async () => {
  const { given, out } = outputWithCredit();
  const read: Buffer[] = [];
  out.output.on("data", (chunk: Buffer) => read.push(chunk));
  let sent = 0;
  for (let n = 0; n < 40; n++) {
    const part = Buffer.alloc(WINDOW_BYTES / 8, n);
    expect(out.take(part)).toBe(true);
    sent += part.length;
    await pause(0);
  }
  out.end();
  await pause(10);
  expect(sum(given)).toBeGreaterThan(sent - WINDOW_BYTES);
  expect(sum(given)).toBeLessThanOrEqual(sent);
  const all = Buffer.concat(read);
  expect(all.length).toBe(sent);
  expect([all[0], all.at(-1)]).toEqual([0, 39]);
});

test("a slow reader gets all of it, and then the end", async () => {
  const { out } = outputWithCredit();
  for (let n = 0; n < 100; n++) out.take(Buffer.from([n]));
  out.end();
  const bytes: number[] = [];
  for await (const chunk of out.output) {
    bytes.push(...(chunk as Buffer));
    await pause(1);
  }
  expect(bytes).toEqual(Array.from({ length: 100 }, (_, n) => n));
});

test("for a reader that left, all is credited and dropped", () => {
  const { given, out } = outputWithCredit();
  for (let n = 0; n < 4; n++) out.take(Buffer.alloc(WINDOW_BYTES / 8));
  out.output.destroy();
  for (let n = 0; n < 100; n++) expect(out.take(Buffer.alloc(WINDOW_BYTES / 8))).toBe(true);
  expect(sum(given)).toBe(104 * (WINDOW_BYTES / 8));
});

test("cut short, it ends with what was on its way to the reader", async () => {
  const { out } = outputWithCredit();
  for (let n = 0; n < 8; n++) out.take(Buffer.alloc(WINDOW_BYTES / 8));
  out.cut();
  let received = 0;
  for await (const chunk of out.output) received += (chunk as Buffer).length;
  expect(received).toBe(0);
  expect(out.take(Buffer.alloc(1))).toBe(false);
});
