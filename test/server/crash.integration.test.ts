import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ServerCard } from "../../src/api/schemas";
import { packageRoot } from "../../src/client/package-root";
import { readServerCard } from "../../src/server/server-card";
import { census, leaked } from "../fixtures/census";
import { bodyOf, EVENTS, image, readEvents } from "./test-server";

/** The real server as a process of its own, with the real engine, killed in the middle of things. */
const COMMAND = join(packageRoot(), "dist", "src", "cli", "main.js");
const before = census();
let dir: string;
let home: string;
let child: ChildProcess;
let card: ServerCard;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "opencomputer-crash-"));
  home = join(dir, "home");
  await start();
});

afterAll(async () => {
  const boxes = (await (await call("GET", "/sandboxes")).json()) as { sandboxID: string }[];
  for (const { sandboxID } of boxes) await call("DELETE", `/sandboxes/${sandboxID}`);
  child.kill("SIGTERM");
  await once(child, "exit");
  expect(leaked(before, census())).toEqual([]);
  rmSync(dir, { recursive: true, force: true });
});

async function start(): Promise<void> {
  // By a user whose umask keeps everybody else out: what root-inside must read has the mode that it needs all the same.
  const serve = ["-c", 'umask 077; exec "$0" "$@"', process.execPath, COMMAND, "serve", "--home", home];
  child = spawn("sh", serve, { stdio: "ignore" });
  await untilTrue(120_000, async () => {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    const found = await readServerCard(home);
    if (found === undefined || found.pid !== child.pid) return false;
    card = found;
    return true;
  });
}

async function killServer(): Promise<void> {
  const dead = once(child, "exit");
  child.kill("SIGKILL");
  await dead;
}

function call(method: string, path: string, json?: object, accept = "application/json"): Promise<Response> {
  const headers = { "X-API-Key": card.apiKey, Accept: accept, "Content-Type": "application/json" };
  return fetch(`${card.url}/api${path}`, { method, headers, ...(json ? { body: JSON.stringify(json) } : {}) });
}

const exec = async (id: unknown, cmd: string) => bodyOf(await call("POST", `/sandboxes/${id}/exec/run`, { cmd }));

async function untilTrue(limitMs: number, isSo: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + limitMs;
  while (!(await isSo())) {
    if (Date.now() > giveUpAt) throw new Error(`not so within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe("kill -9", () => {
  it("loses nothing that was acknowledged, and leaves nothing half done", async () => {
    const ready = await bodyOf(await call("POST", "/snapshots", { name: "kept", image: image("echo kept > /kept") }));
    const { sandboxID } = await bodyOf(await call("POST", "/sandboxes", { snapshot: "kept", timeout: 3600 }));
    await exec(sandboxID, "echo still here > note");
    const next = { name: "kept", image: image("echo next > /kept; sleep 300"), ifExists: "version" };
    expect(await bodyOf(await call("POST", "/snapshots?async=1", next))).toMatchObject({ version: 2 });
    const half = image("echo first", "echo begun; sleep 300");
    await call("POST", "/snapshots?async=1", { name: "half", image: half });
    await untilTrue(
      60_000,
      async () => (await call("GET", "/snapshots/half")).ok && (await logOf("half")).includes("begun"),
    );
    const { apiKey } = card;
    await killServer();

    await start();
    expect(card.apiKey).toBe(apiKey);
    expect(await bodyOf(await call("GET", "/snapshots/kept"))).toMatchObject({
      ...ready,
      lastUsedAt: expect.anything(),
    });
    expect(await bodyOf(await call("GET", "/snapshots/kept@2"))).toMatchObject({ status: "failed", current: false });
    expect(await bodyOf(await call("GET", "/snapshots/half"))).toMatchObject({ status: "failed" });
    const events = await readEvents(await call("GET", "/snapshots/half/log", undefined, EVENTS));
    expect(events.at(-1)).toMatchObject({ kind: "error", data: { code: "build_cancelled" } });

    expect(await exec(sandboxID, "cat note")).toMatchObject({ exitCode: 0, stdout: "still here\n" });
    const fresh = await bodyOf(await call("POST", "/sandboxes", { snapshot: "kept" }));
    expect(await exec(fresh.sandboxID, "cat /kept")).toMatchObject({ stdout: "kept\n" });

    const again = await call("POST", "/snapshots", { name: "half", image: image("echo first", "echo second") }, EVENTS);
    const messages = await readEvents(again);
    expect(messages.at(-1)).toMatchObject({ kind: "result", data: { status: "ready" } });
  });
});

async function logOf(name: string): Promise<string> {
  const leave = new AbortController();
  const headers = { "X-API-Key": card.apiKey };
  const answer = await fetch(`${card.url}/api/snapshots/${name}/log`, { headers, signal: leave.signal });
  const chunk = await answer.body?.getReader().read();
  leave.abort();
  return new TextDecoder().decode(chunk?.value);
}
