import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { IdleClock } from "../../src/server/services/idle-clock";

const expired: string[] = [];
let clock: IdleClock;
beforeEach(() => {
  vi.useFakeTimers();
  expired.length = 0;
  clock = new IdleClock({ now: Date.now, onExpired: (id) => expired.push(id) });
});
afterEach(() => {
  clock.stop();
  vi.useRealTimers();
});

describe("idle clock", () => {
  it("expires each thing at its own deadline, with one timer", () => {
    clock.watch("late", 3000);
    clock.watch("soon", 1000);
    clock.watch("middle", 2000);
    expect(vi.getTimerCount()).toBe(1);
    for (const id of ["soon", "middle", "late"]) {
      vi.advanceTimersByTime(1000);
      expect(expired.at(-1)).toBe(id);
    }
    expect(vi.getTimerCount()).toBe(0);
  });

  it("starts again when the last of several uses ends", () => {
    clock.watch("a", 1000);
    const [first, second] = [clock.use("a"), clock.use("a")];
    vi.advanceTimersByTime(5000);
    // Nothing to wait for while it is in use, least of all in a busy loop.
    expect(vi.getTimerCount()).toBe(0);
    first();
    first();
    vi.advanceTimersByTime(5000);
    expect(expired).toEqual([]);
    expect(second()).toBe(Date.now() + 1000);
    vi.advanceTimersByTime(999);
    expect(expired).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(expired).toEqual(["a"]);
  });

  it("takes a deadline that has passed while nobody watched", () => {
    clock.watch("a", 1000, Date.now() - 10_000);
    vi.advanceTimersByTime(0);
    expect(expired).toEqual(["a"]);
  });

  it.each([30 * 86_400_000, -30 * 86_400_000])("keeps to its time where the clock is set by %i ms", (jump) => {
    let set = 0;
    clock = new IdleClock({ now: () => Date.now() + set, onExpired: (id) => expired.push(id) });
    clock.watch("a", 1000);
    set = jump;
    clock.watch("b", 2000);
    clock.use("c")();
    vi.advanceTimersByTime(999);
    expect(expired).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(expired).toEqual(["a"]);
    set = 0;
    vi.advanceTimersByTime(1000);
    expect(expired).toEqual(["a", "b"]);
  });

  it("waits longer than a timer can", () => {
    clock.watch("a", 90 * 86_400_000);
    vi.advanceTimersByTime(89 * 86_400_000);
    expect(expired).toEqual([]);
    vi.advanceTimersByTime(86_400_000);
    expect(expired).toEqual(["a"]);
  });

  it("keeps a use through a new timeout, and forgets", () => {
    clock.watch("a", 1000);
    const end = clock.use("a");
    clock.forget("a");
    clock.watch("a", 500);
    vi.advanceTimersByTime(10_000);
    end();
    expect(clock.deadlineOf("a")).toBe(Date.now() + 500);
    clock.forget("a");
    expect(clock.deadlineOf("a")).toBeNull();
    vi.advanceTimersByTime(10_000);
    expect(expired).toEqual([]);
  });
});
