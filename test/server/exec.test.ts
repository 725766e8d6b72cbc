import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bodyOf, createTestServer, type TestServer, until } from "./test-server";

let server: TestServer;
let id: string;
beforeEach(async () => {
  server = await createTestServer();
  const steps = [
    { type: "env", args: { vars: { A: "image", B: "image", C: "image" } } },
    { type: "workdir", args: { path: "/workspace" } },
  ];
  const json = { image: { base: "base", steps }, envs: { B: "sandbox", C: "sandbox" } };
  id = String((await bodyOf(await server.request("POST", "/api/sandboxes", { json }))).sandboxID);
});
afterEach(() => server.close());

const post = (path: string, json: unknown, signal?: AbortSignal) =>
  server.request("POST", `/api/sandboxes/${id}/exec/${path}`, { json, ...(signal ? { signal } : {}) });
const run = async (json: object) => bodyOf(await post("run", { timeout: 5, ...json }));
const result = (execId: unknown) => server.request("GET", `/api/sandboxes/${id}/exec/${execId}/result`);

describe("run", () => {
  it("answers exit code, stdout and stderr", async () => {
    expect(await run({ cmd: "sh", args: ["-c", "echo hi"] })).toEqual({ exitCode: 0, stdout: "hi\n", stderr: "" });
    expect(await run({ cmd: "err oops" })).toEqual({ exitCode: 0, stdout: "", stderr: "oops\n" });
    expect(await run({ cmd: "fail 3" })).toMatchObject({ exitCode: 3 });
  });

  const environments: [string, object, string][] = [
    ["the image's", { cmd: "env A" }, "image\n"],
    ["the sandbox's over the image's", { cmd: "env B" }, "sandbox\n"],
    ["the command's over both", { cmd: "env C", envs: { C: "command" } }, "command\n"],
    ["the image's workdir", { cmd: "pwd" }, "/workspace\n"],
    ["the command's cwd", { cmd: "pwd", cwd: "/x" }, "/x\n"],
  ];
  it.each(environments)("sees %s", async (_, json, stdout) => {
    expect(await run(json)).toMatchObject({ stdout });
  });

  it("ends a command at its timeout with -1 and a line that says so", async () => {
    expect(await run({ cmd: "sleep 2000", timeout: 0.05 })).toEqual({
      ...{ exitCode: -1, stdout: "", stderr: "Process timed out\n" },
    });
  });

  it("answers a long one with headers at once and JSON that a blank may lead", async () => {
    const answer = await post("run", { cmd: "sleep 100", timeout: 60 });
    expect(answer.headers.get("content-type")).toContain("application/json");
    expect(JSON.parse(await answer.text())).toMatchObject({ exitCode: 0 });
  });

  it("kills the command when the caller of a long one leaves", async () => {
    const reader = (await post("run", { cmd: "sleep 5000", timeout: 60 })).body?.getReader();
    await reader?.cancel();
    await until("killed", () => server.engine.commandsKilled === 1);
  });

  it.each([5, 60])("kills the command of a caller who had left before it ran, with timeout %i", async (timeout) => {
    const answer = post("run", { cmd: "sleep 5000", timeout }, AbortSignal.abort());
    await until("killed", () => server.engine.commandsKilled === 1);
    await (await answer).text();
  });

  const bad: [string, unknown, number][] = [
    ["no cmd", {}, 400],
    ["no JSON", undefined, 400],
    ["a relative cwd", { cmd: "pwd", cwd: "x", timeout: 5 }, 400],
    ["a cwd that is not there", { cmd: "pwd", cwd: "/missing", timeout: 60 }, 400],
    ["an env name that is none", { cmd: "pwd", envs: { "A-B": "x" } }, 400],
  ];
  it.each(bad)("refuses %s", async (_, json, status) => {
    expect((await post("run", json)).status).toBe(status);
    expect((await post("run-async", json)).status).toBe(status);
  });

  it("refuses text that is no JSON", async () => {
    const path = `/api/sandboxes/${id}/exec/run`;
    expect((await server.request("POST", path, { body: "{", headers: { "Content-Type": "text/plain" } })).status).toBe(
      400,
    );
  });
});

describe("run-async", () => {
  it("answers a quick command at once", async () => {
    const answer = await post("run-async", { cmd: "echo hi" });
    expect(answer.status).toBe(200);
    expect(await bodyOf(answer)).toEqual({ exitCode: 0, stdout: "hi\n", stderr: "" });
  });

  it("gives an id for a slow one and its result later", async () => {
    const answer = await post("run-async", { cmd: "sleep 700" });
    expect(answer.status).toBe(202);
    const { execId, running } = await bodyOf(answer);
    expect(running).toBe(true);
    let state = await bodyOf(await result(execId));
    while (state.running) state = await bodyOf(await result(execId));
    expect(state).toEqual({ running: false, exitCode: 0, stdout: "", stderr: "" });
    expect(await bodyOf(await result(execId))).toEqual(state);
  });

  it("keeps the last MiB of output and says that there was more", async () => {
    const { stdout, truncated } = await bodyOf(await post("run-async", { cmd: `flood ${2 ** 20 + 5}` }));
    expect(String(stdout)).toHaveLength(2 ** 20);
    expect(truncated).toBe(true);
  });

  it("does not know others' ids", async () => {
    expect((await result("ex-000000000000")).status).toBe(404);
  });
});
