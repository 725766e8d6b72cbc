import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { readReports } from "../../../src/engines/local/exec-reports";

const forever = new Promise<void>(() => undefined);

test.each([
  ["a command that ran", ["ok 12\n", "exit 3\n"], { kind: "started", pid: 12 }, 3],
  ["cut anywhere", ["o", "k 12", "\nexi", "t 137\n"], { kind: "started", pid: 12 }, 137],
  ["a command that was killed", ["ok 12\n"], { kind: "started", pid: 12 }, null],
  ["no such directory", ["nodir\n"], { kind: "no-directory" }, null],
  ["nothing at all", [], { kind: "failed" }, null],
  ["something else", ["whatever\n"], { kind: "failed" }, null],
])("%s", async (_, chunks, started, ended) => {
  const channel = new PassThrough();
  const reports = readReports(channel, forever);
  for (const chunk of chunks) channel.write(chunk);
  channel.end();
  expect(await reports.started).toEqual(started);
  expect(await reports.ended).toBe(ended);
});

test("the end of the runtime's process is the end, also where somebody holds the channel open", async () => {
  const channel = new PassThrough();
  const reports = readReports(channel, Promise.resolve());
  channel.write("ok 5\n");
  expect(await reports.started).toEqual({ kind: "started", pid: 5 });
  expect(await reports.ended).toBeNull();
});
