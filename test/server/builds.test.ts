import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { BuildEvent } from "../../src/engines/engine";
import type { BuildTicket } from "../../src/server/services/build-flight";
import { BUILDS_AT_ONCE, createTestServer, image, type TestServer, until } from "./test-server";

let server: TestServer;
beforeEach(async () => {
  server = await createTestServer();
});
afterEach(() => server.close());

const request = (...commands: string[]): BuildTicket =>
  server.services.builds.request(server.org, { manifest: image(...commands), stepTimeoutMs: 1000, name: "n" });
const forEver = () => new AbortController().signal;
const lastBuild = () => server.org.latestBuildNamed("n");

async function messages(ticket: BuildTicket, from = 0): Promise<string[]> {
  const found: BuildEvent[] = [];
  for await (const event of ticket.events(from, forEver())) found.push(event);
  return found.map((event) => event.message);
}

describe("the log of a build", () => {
  it("is not there before its row is: nobody would ever remove it", async () => {
    vi.spyOn(server.org, "insertBuild").mockRejectedValue(new Error("no more"));
    await expect(request("print a").done).rejects.toThrow("no more");
    expect(readdirSync(join(server.home, "builds"))).toEqual([]);
  });

  it("that cannot be opened fails the build, whose row says so", async () => {
    const insert = server.org.insertBuild.bind(server.org);
    vi.spyOn(server.org, "insertBuild").mockImplementation(async (row) => {
      await insert(row);
      mkdirSync(row.logPath);
    });
    await expect(request("print a").done).rejects.toThrow("EISDIR");
    expect(await lastBuild()).toMatchObject({ status: "failed" });
  });
});

describe("one build per hash", () => {
  it("serves fifty who ask at once, each with the whole log", async () => {
    const tickets = Array.from({ length: 50 }, () => request("print a", "wait x", "print b"));
    const logs = tickets.map((ticket) => messages(ticket));
    server.engine.release("x");
    const rows = await Promise.all(tickets.map((ticket) => ticket.done));
    expect(new Set(rows.map((row) => row.id)).size).toBe(1);
    const [first, ...others] = await Promise.all(logs);
    expect(first).toContain("b");
    for (const log of others) expect(log).toEqual(first);
    expect(server.engine.buildsRun).toBe(1);
  });

  it("gives a latecomer the log from the start, then live", async () => {
    const early = request("print a", "wait x", "print b");
    await until("waiting", () => server.engine.stepsRun.length === 2);
    const late = messages(request("print a", "wait x", "print b"));
    server.engine.release("x");
    expect(await late).toEqual(await messages(early));
    expect(server.engine.buildsRun).toBe(1);
  });

  it("is per organisation", async () => {
    const other = server.services.builds.request(server.store.forOrg("b"), {
      ...{ manifest: image("print a"), stepTimeoutMs: 1000, name: null },
    });
    const rows = await Promise.all([request("print a").done, other.done]);
    expect(rows[0]?.id).not.toBe(rows[1]?.id);
  });

  it("runs again where the engine lost the layers, or the base is another", async () => {
    const first = await request("print a").done;
    server.engine.layers.clear();
    const second = await request("print a").done;
    server.engine.baseDigest = "c".repeat(64);
    const third = await request("print a").done;
    expect(new Set([first.id, second.id, third.id]).size).toBe(3);
    expect((await request("print a").done).id).toBe(third.id);
    expect(server.engine.buildsRun).toBe(3);
  });
});

describe("builds of different images", () => {
  it("run a few at a time, the others in turn, and say that they wait", async () => {
    const tickets = Array.from({ length: 10 }, (_, index) => request(`print ${index}`, "wait x"));
    const logs = tickets.map((ticket) => messages(ticket));
    await until("full", () => server.engine.building === BUILDS_AT_ONCE);
    const late = request("print late");
    logs.push(messages(late));
    await until("in line", async () => (await late.buildId()) !== undefined);
    server.engine.release("x");
    await Promise.all([...tickets, late].map((ticket) => ticket.done));
    expect(server.engine.buildsAtOnce).toBe(BUILDS_AT_ONCE);
    expect(server.engine.buildsRun).toBe(11);
    expect(server.engine.stepsRun.at(-1)).toBe("run print late");
    const first = (await Promise.all(logs)).map(([line]) => line);
    const waited = [4, 5, 6, 7, 8, 9, 10].map((ahead) => `waiting for ${ahead} builds before this one`);
    expect(first.filter((line) => line?.startsWith("waiting")).sort()).toEqual(waited.sort());
    expect(first.at(-1)).toContain(" 10 ");
  });

  it("give up their turn where nobody waits for them any more", async () => {
    const running = Array.from({ length: BUILDS_AT_ONCE }, (_, index) => request(`print ${index}`, "wait x"));
    await until("full", () => server.engine.building === BUILDS_AT_ONCE);
    const [left, next] = [request("print left"), request("print next")];
    await until("in line", async () => (await left.buildId()) !== undefined && (await next.buildId()) !== undefined);
    left.leave();
    await expect(left.done).rejects.toMatchObject({ code: "build_cancelled" });
    running[0]?.leave();
    await next.done;
    expect(server.engine.stepsRun).not.toContain("run print left");
  });
});

describe("leaving", () => {
  it("cancels the build only when the last one leaves", async () => {
    const [first, second] = [request("wait x"), request("wait x")];
    await until("running", () => server.engine.buildsRun === 1);
    first.leave();
    first.leave();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await lastBuild())?.status).toBe("running");
    second.leave();
    await expect(second.done).rejects.toMatchObject({ code: "build_cancelled" });
    expect(await lastBuild()).toMatchObject({ status: "cancelled", error: { code: "build_cancelled" } });
    expect(await server.store.listCheckpoints()).toEqual([]);
  });

  it("does not spoil it for one who comes just then", async () => {
    const first = request("print a", "wait x");
    await until("waiting", () => server.engine.stepsRun.length === 2);
    first.leave();
    const second = request("print a", "wait x");
    server.engine.release("x");
    await expect(second.done).resolves.toMatchObject({ checkpoint: { workdir: null } });
    // It waited until the cancelled one had cleaned up, and the step that had passed was not run again.
    expect(server.engine.buildsAtOnce).toBe(1);
    expect(server.engine.stepsRun).toEqual(["run print a", "run wait x", "run wait x"]);
  });

  it("ends a reader who leaves before there is a log to read", async () => {
    const first = request("wait x");
    await until("running", () => server.engine.buildsRun === 1);
    // It begins when the cancelled one is down, which takes a moment.
    first.leave();
    const next = request("wait x");
    await expect(next.events(0, AbortSignal.abort()).next()).rejects.toMatchObject({ code: "aborted" });
    expect(server.engine.buildsRun).toBe(1);
    next.leave();
  });

  it("ends a reader who leaves, and only that one", async () => {
    const ticket = request("print a", "wait x");
    const reader = new AbortController();
    const reading = (async () => {
      for await (const _ of ticket.events(0, reader.signal));
    })();
    await until("waiting", () => server.engine.stepsRun.length === 2);
    reader.abort();
    await expect(reading).rejects.toThrow();
    server.engine.release("x");
    await ticket.done;
  });
});

describe("failing", () => {
  it("keeps the log and the reason, and blocks nothing", async () => {
    const failed = request("print a", "fail");
    const error = await failed.done.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "build_failed", details: { exitCode: 1, buildId: (await lastBuild())?.id } });
    expect(await messages(failed)).toContain("a");
    expect(await lastBuild()).toMatchObject({ status: "failed", error: { code: "build_failed" } });
    expect(await server.store.listCheckpoints()).toEqual([]);
    await expect(request("print a", "fail").done).rejects.toMatchObject({ code: "build_failed" });
    expect(server.engine.buildsRun).toBe(2);
  });

  it("takes no more when it stops, and cancels what runs", async () => {
    const running = request("wait x");
    await until("running", () => server.engine.buildsRun === 1);
    await server.services.builds.stop();
    await expect(running.done).rejects.toMatchObject({ code: "build_cancelled" });
    expect((await lastBuild())?.status).toBe("cancelled");
    expect(() => request("print a")).toThrow(/stopping/);
  });
});
