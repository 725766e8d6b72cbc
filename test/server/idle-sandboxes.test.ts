import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { IdleSandboxes } from "../../src/server/services/idle-sandboxes";
import type { OrgStore } from "../../src/server/store/store";
import { sandboxRow } from "./sandbox-row";
import { SILENT } from "./test-server";

const RETRY_MS = 60_000;
const row = sandboxRow("sb-1", { timeoutSeconds: 1 });
const hibernate = vi.fn<() => Promise<void>>();
// Nothing of it is needed to expire.
const org = {} as Partial<OrgStore> as OrgStore;

let idle: IdleSandboxes;
beforeEach(() => {
  vi.useFakeTimers();
  hibernate.mockReset().mockResolvedValue();
  idle = new IdleSandboxes({ now: Date.now, log: SILENT, hibernate });
  idle.watch(org, row);
});
afterEach(() => {
  idle.close();
  vi.useRealTimers();
});

describe("a deadline", () => {
  it("is tried again later where the engine cannot do it", async () => {
    hibernate.mockRejectedValueOnce(new Error("busy"));
    await vi.advanceTimersByTimeAsync(1000);
    expect(idle.deadlineOf(row.id)).toBe(Date.now() + RETRY_MS);
    hibernate.mockClear();
    hibernate.mockImplementationOnce(async () => idle.forget(row.id));
    await vi.advanceTimersByTimeAsync(RETRY_MS);
    expect(hibernate).toHaveBeenCalledExactlyOnceWith(org, row.id);
    expect(idle.deadlineOf(row.id)).toBeNull();
  });

  it("of a server whose clock was ahead is no later than the timeout", async () => {
    idle.watch(org, { ...row, deadline: Date.now() + 30 * 86_400_000 });
    expect(idle.deadlineOf(row.id)).toBe(Date.now() + 1000);
    await vi.advanceTimersByTimeAsync(1000);
    expect(hibernate).toHaveBeenCalledExactlyOnceWith(org, row.id);
  });

  it("that passes while the server stops is left to the next one", async () => {
    hibernate.mockImplementationOnce(async () => {
      idle.close();
      throw new Error("the database is closed");
    });
    await vi.advanceTimersByTimeAsync(1000);
    expect(vi.getTimerCount()).toBe(0);
  });
});
