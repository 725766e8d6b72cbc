import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readServerConfig } from "../../src/server/config";
import { startServer } from "../../src/server/main";
import type { RunningServer } from "../../src/server/run-server";
import { homeCensus } from "../fixtures/home-census";
import { bodyOf, EVENTS, image, listOf, until } from "./test-server";

/** The real server and engine, and clients that are processes of their own and are killed in the middle of a create. */
let dir: string;
let server: RunningServer;
const json = { image: image("true"), owner: "urn" };

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "opencomputer-abandoned-"));
  const config = readServerConfig(
    { home: join(dir, "home"), logLevel: "error" },
    { env: process.env, uid: process.getuid?.() ?? 0, homeDir: process.env["HOME"] ?? "/root" },
  );
  server = await startServer(config);
  // The image is built once, so that what is interrupted below is the start of a sandbox.
  await call("DELETE", `/sandboxes/${(await bodyOf(await call("POST", "/sandboxes", json))).sandboxID}`);
});

afterAll(async () => {
  for (const { sandboxID } of await list()) await call("DELETE", `/sandboxes/${sandboxID}`);
  await server.close();
  const left = homeCensus(join(dir, "home"));
  rmSync(dir, { recursive: true, force: true });
  expect(left).toEqual([]);
});

function call(method: string, path: string, body?: object): Promise<Response> {
  const headers = { "X-API-Key": server.apiKey, "Content-Type": "application/json" };
  return fetch(`${server.url}/api${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
}

const list = async () => await listOf(await call("GET", "/sandboxes"));
const started = () => readdirSync(join(dir, "home", "sandboxes")).length;

/** A client: it sends a create and prints what it reads. */
function createElsewhere(accept: string): { client: ChildProcess; output: () => string } {
  const headers = { "X-API-Key": server.apiKey, "Content-Type": "application/json", Accept: accept };
  const init = JSON.stringify({ method: "POST", headers, body: JSON.stringify(json) });
  const program = `fetch(${JSON.stringify(`${server.url}/api/sandboxes`)}, ${init}).then(async (answer) => {
    for await (const chunk of answer.body) process.stdout.write(chunk);
    setTimeout(() => {}, 60_000);
  })`;
  const client = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  client.stdout?.on("data", (chunk) => {
    text += chunk;
  });
  return { client, output: () => text };
}

async function killClient(client: ChildProcess): Promise<void> {
  const dead = once(client, "exit");
  client.kill("SIGKILL");
  await dead;
}

describe.each(["application/json", EVENTS])("a client that wants %s and is killed", (accept) => {
  it("while its sandbox starts leaves none", async () => {
    const { client, output } = createElsewhere(accept);
    await until("starting", () => started() > 0);
    await killClient(client);
    expect(output()).not.toContain("sandboxID");
    await until("gone", async () => started() === 0 && (await list()).length === 0);
  });

  it("right after its answer leaves one, which its owner gets again", async () => {
    const { client, output } = createElsewhere(accept);
    await until("answered", () => output().includes("sandboxID"));
    await killClient(client);
    const again = await call("POST", "/sandboxes", json);
    expect(again.status).toBe(200);
    const { sandboxID } = await bodyOf(again);
    expect(output()).toContain(`"sandboxID":"${sandboxID}"`);
    expect(await list()).toMatchObject([{ sandboxID, status: "running" }]);
    await call("DELETE", `/sandboxes/${sandboxID}`);
  });
});
