import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { IdleSandboxes } from "../../src/server/services/idle-sandboxes";
import type { OrgStore } from "../../src/server/store/store";
import { sandboxRow } from "./sandbox-row";
import { SILENT } from "./test-server";

const RETRY_MS = 60_000;
const row = sandboxRow("sb-1", { timeoutSeconds: 1 });
const getSandbox = vi.fn<OrgStore["getSandbox"]>();
const stop = vi.fn<() => Promise<void>>();
// Only what expiring needs of a store; one that breaks cannot be had from a real database without a race.
const org = { getSandbox } as Partial<OrgStore> as OrgStore;

let idle: IdleSandboxes;
beforeEach(() => {
  vi.useFakeTimers();
  getSandbox.mockReset().mockResolvedValue(row);
  stop.mockReset().mockResolvedValue();
  idle = new IdleSandboxes({ now: Date.now, log: SILENT, stop });
  idle.watch(org, row);
});
afterEach(() => {
  idle.close();
  vi.useRealTimers();
});

describe("a deadline", () => {
  const breaks: [string, () => unknown][] = [
    ["the row cannot be read", () => getSandbox.mockRejectedValueOnce(new Error("database is locked"))],
    ["the engine cannot stop it", () => stop.mockRejectedValueOnce(new Error("busy"))],
  ];
  it.each(breaks)("is tried again later where %s", async (_, breakOnce) => {
    breakOnce();
    await vi.advanceTimersByTimeAsync(1000);
    expect(idle.deadlineOf(row.id)).toBe(Date.now() + RETRY_MS);
    stop.mockClear();
    stop.mockImplementationOnce(async () => idle.forget(row.id));
    await vi.advanceTimersByTimeAsync(RETRY_MS);
    expect(stop).toHaveBeenCalledExactlyOnceWith(org, row);
    expect(idle.deadlineOf(row.id)).toBeNull();
  });

  it("that passes while the server stops is left to the next one", async () => {
    getSandbox.mockImplementationOnce(async () => {
      idle.close();
      throw new Error("the database is closed");
    });
    await vi.advanceTimersByTimeAsync(1000);
    expect(vi.getTimerCount()).toBe(0);
  });
});
