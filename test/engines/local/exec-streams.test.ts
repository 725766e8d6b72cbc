import { PassThrough } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { outputStream } from "../../../src/engines/local/exec-streams";

const never = new AbortController().signal;
const within = async (work: Promise<void>, limitMs: number) =>
  Promise.race([work.then(() => "done"), pause(limitMs, "late")]);

test("a source that is quiet is drained soon", async () => {
  const source = new PassThrough();
  const { output, drained } = outputStream(source);
  output.resume();
  source.write("all there was");
  expect(await within(drained(never), 800)).toBe("done");
});

test("a source that never rests is drained after a second", async () => {
  const source = new PassThrough();
  const { output, drained } = outputStream(source);
  output.resume();
  const timer = setInterval(() => source.write("x"), 20);
  expect(await within(drained(never), 4_000)).toBe("done");
  clearInterval(timer);
});

test("a reader that is slow gets what was written, and no flood beyond it", async () => {
  const source = new PassThrough();
  const { output, drained } = outputStream(source);
  const flood = setInterval(() => source.readableLength < 100_000 && source.write(Buffer.alloc(100_000)), 1);
  let receivedBytes = 0;
  const reader = setInterval(() => {
    receivedBytes += output.read()?.length ?? 0;
  }, 2);
  expect(await within(drained(never), 15_000)).toBe("done");
  for (const timer of [flood, reader]) clearInterval(timer);
  expect(receivedBytes).toBeGreaterThan(900_000);
});

test.each(["signal", "reader"])("a %s that gives up ends it, whatever is still to be read", async (who) => {
  const source = new PassThrough();
  const { output, drained } = outputStream(source);
  source.write(Buffer.alloc(100_000));
  const controller = new AbortController();
  const draining = drained(controller.signal);
  if (who === "signal") controller.abort();
  else output.destroy();
  expect(await within(draining, 500)).toBe("done");
});
