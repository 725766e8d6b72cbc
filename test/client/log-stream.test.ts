import { afterEach, expect, it } from "vitest";
import { createClient } from "../../src/client/client";
import { type FakeServer, type Reply, sse, startFakeServer } from "./fake-server";

const PATH = "GET /api/builds/b1/log";
const BUILD = { id: "b1", status: "succeeded", contentHash: "abc", startedAt: "2026-05-04T10:20:30Z" };
const END = ["result", BUILD] as const;

let server: FakeServer;
afterEach(() => server.close());

/** The lines that came, and what came of it. */
async function follow(replies: readonly Reply[], options: { from?: number; follow?: boolean } = {}) {
  server = await startFakeServer({ [PATH]: replies });
  const api = createClient({ apiUrl: server.url, retry: { attempts: 1, baseDelayMs: 1 } });
  const lines: string[] = [];
  const onBuildLog = ({ message }: { readonly message: string }) => lines.push(message);
  const outcome = await api.followBuildLog("b1", { ...options, onBuildLog }).catch((error) => error);
  return { lines, outcome, asked: server.requests.map(({ call }) => call.slice(PATH.length)) };
}

const lines = (...messages: string[]) => messages.map((message) => ["build_log", line(message)] as const);
const line = (message: string) => ({ step: 1, type: "run", message });
const cutAfter = (...messages: string[]): Reply => ({ ...sse(...lines(...messages)), end: "cut" });

it("goes on after the lines that have come where the connection breaks", async () => {
  const early = sse(...lines("c"));
  const replies = [cutAfter("a", "b"), early, sse(...lines("d"), END)];
  expect(await follow(replies, { from: 5 })).toEqual({
    lines: ["a", "b", "c", "d"],
    outcome: BUILD,
    asked: ["?from=5", "?from=7", "?from=8"],
  });
});

it.each<[string, Reply, string]>([
  ["one that brought nothing", cutAfter(), "unavailable"],
  ["the build's own error", sse(...lines("b"), ["error", { error: "no", code: "build_failed" }]), "build_failed"],
])("does not go on after %s", async (_name, last, code) => {
  const { outcome, asked } = await follow([cutAfter("a"), last]);
  expect({ asked, code: outcome.code }).toEqual({ asked: ["?from=0", "?from=1"], code });
});

it("says where it does not want to wait", async () => {
  const { asked } = await follow([cutAfter("a"), sse(END)], { follow: false });
  expect(asked).toEqual(["?from=0&follow=0", "?from=1&follow=0"]);
});

it("leaves where the callback throws", async () => {
  server = await startFakeServer({ [PATH]: cutAfter("a") });
  const onBuildLog = () => {
    throw new Error("mine");
  };
  const api = createClient({ apiUrl: server.url });
  await expect(api.followBuildLog("b1", { onBuildLog })).rejects.toThrow("mine");
  expect(server.requests).toHaveLength(1);
});
