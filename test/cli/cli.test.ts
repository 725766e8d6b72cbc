import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Image } from "../../src/image/image";
import { version } from "../../src/version";
import { type FakeServer, type Replies, type Reply, sse, startFakeServer } from "../client/fake-server";
import { runCommandLine } from "./fake-terminal";

const SNAPSHOT = {
  id: "1",
  name: "agent",
  status: "ready",
  contentHash: "abcdef0123456789",
  manifest: {},
  createdAt: "2026-05-04T10:20:30.123Z",
};
const SANDBOX = {
  sandboxID: "sb-1",
  status: "running",
  snapshot: "agent",
  memoryMB: 1024,
  startedAt: "2026-05-04T10:21:00Z",
};
const LOG = { step: 1, type: "run", message: "step 1/1: run make" };
const NOT_FOUND: Reply = { status: 404, json: { error: "no such thing", code: "not_found" } };
const LISTS: Replies = { "GET /api/snapshots": { json: [SNAPSHOT] }, "GET /api/sandboxes": { json: [SANDBOX] } };

let server: FakeServer | undefined;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-cli-"));
});
afterEach(async () => {
  rmSync(dir, { recursive: true });
  await server?.close();
  server = undefined;
});

async function run(args: readonly string[], replies?: Replies) {
  if (replies) server = await startFakeServer(replies);
  return runCommandLine(args, {
    env: { OPENCOMPUTER_HOME: join(dir, "home") },
    ...(server ? { url: server.url } : {}),
  });
}

const calls = () => server?.requests.map((request) => request.call);
const sent = () => JSON.parse(server?.requests.at(-1)?.body.toString() ?? "");

describe("usage", () => {
  const commands = [
    ...["serve", "status", "stop", "ls", "plan", "build", "logs", "versions", "promote", "tag", "untag"],
    ...["exec", "checkpoint", "checkpoints", "restore", "fork", "hibernate", "wake", "rm", "gc", "doctor"],
  ];

  it("the help names every command, the environment and the exit codes", async () => {
    const { exitCode, stdout } = await run(["--help"]);
    expect(exitCode).toBe(0);
    for (const word of [...commands, "OPENCOMPUTER_API_URL", "Exit codes"]) expect(stdout).toContain(word);
  });

  it.each(commands)("%s --help has an example", async (command) => {
    const { exitCode, stdout } = await run([command, "--help"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(new RegExp(`Examples?:\n {2}\\$ pulumi-opencomputer ${command}`));
  });

  it("--version", async () => {
    expect(await run(["--version"])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: "" });
  });

  it.each([
    ["an unknown command", ["frobnicate"]],
    ["an unknown option", ["ls", "--frobnicate"]],
    ["a missing argument", ["logs"]],
    ["a number that is none", ["logs", "agent", "--from", "x"]],
    ["a checkpoint without a name", ["checkpoint", "sb-1"]],
    ["a fork of none", ["fork", "sb-1", "--count", "0"]],
    ["a fork that is to keep and not to keep memory", ["fork", "sb-1", "--full", "--disk-only"]],
    ["a part of a second", ["wake", "sb-1", "--timeout", "0.5"]],
    ["a warm pool that is too large", ["build", "a.json", "--name", "a", "--warm-pool", "101"]],
    ["a variable that is none", ["exec", "-e", "X", "sb-1", "--", "true"]],
    ["an engine that does not exist", ["serve", "--engine", "magic"]],
  ])("%s is exit code 2", async (_name, args) => {
    expect(await run(args)).toMatchObject({ exitCode: 2, stdout: "", stderr: expect.stringContaining("error: ") });
  });
});

describe("ls", () => {
  it("prints two tables", async () => {
    const { stdout } = await run(["ls"], LISTS);
    expect(stdout).toBe(
      [
        "SNAPSHOT  STATUS  HASH          CREATED            LAST USED",
        "agent     ready   abcdef012345  2026-05-04T10:20Z  -",
        "",
        "SANDBOX  STATUS   FROM   MEMORY    STARTED            SLEEPS",
        "sb-1     running  agent  1024 MiB  2026-05-04T10:21Z  -",
        "",
      ].join("\n"),
    );
  });

  it("prints JSON", async () => {
    const { stdout } = await run(["ls", "--json"], LISTS);
    expect(JSON.parse(stdout)).toEqual({ snapshots: [SNAPSHOT], sandboxes: [SANDBOX] });
  });
});

describe("exec", () => {
  const RUN = "POST /api/sandboxes/sb-1/exec/run";
  it.each([
    [["--", "ls", "-l", "--all"], { cmd: "ls", args: ["-l", "--all"], envs: {}, timeout: 0 }],
    [["ls", "-l", "--all"], { cmd: "ls", args: ["-l", "--all"], envs: {}, timeout: 0 }],
    [["make", "--", "--json"], { cmd: "make", args: ["--", "--json"], envs: {}, timeout: 0 }],
    [["ls", "here"], { cmd: "ls", args: ["here"], envs: {}, timeout: 0 }],
    [["--", "ls | wc -l"], { cmd: "ls | wc -l", envs: {}, timeout: 0 }],
  ])("%j is sent as it is", async (command, expected) => {
    await run(["exec", "sb-1", ...command], { [RUN]: { json: { exitCode: 0, stdout: "", stderr: "" } } });
    expect(sent()).toEqual(expected);
  });

  it("takes variables, a folder and a limit", async () => {
    const options = ["-e", "A=1=2", "--env", "B=", "--cwd", "/w", "--timeout", "5"];
    await run(["exec", ...options, "sb-1", "--", "true"], { [RUN]: { json: { exitCode: 0, stdout: "", stderr: "" } } });
    expect(sent()).toEqual({ cmd: "true", envs: { A: "1=2", B: "" }, cwd: "/w", timeout: 5 });
  });

  it.each([
    [0, 0],
    [3, 3],
    [-1, 255],
  ])("passes on output and exit code %s as %s", async (exitCode, expected) => {
    const result = { exitCode, stdout: "out, no line end", stderr: "err\n" };
    const outcome = await run(["exec", "sb-1", "--", "x"], { [RUN]: { json: result } });
    expect(outcome).toEqual({ exitCode: expected, stdout: "out, no line end", stderr: "err\n" });
  });
});

describe("exec says", () => {
  it.each([[["--json", "ls"]], [["--"]]])("that %j is no command", async (words) => {
    const { exitCode, stderr } = await run(["exec", "sb-1", ...words]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining("stand before the sandbox") });
  });

  it("which limit ended the command", async () => {
    const result = { exitCode: -1, stdout: "", stderr: "Process timed out\n" };
    const replies = { "POST /api/sandboxes/sb-1/exec/run": { json: result } };
    const { exitCode, stderr } = await run(["exec", "--timeout", "2", "sb-1", "sleep", "9"], replies);
    expect(exitCode).toBe(255);
    expect(stderr).toBe("Process timed out\nerror: the command was ended after 2 s (--timeout)\n");
  });

  it("in its help that stdin is not passed on, and nothing that only programs read", async () => {
    const { stdout } = await run(["exec", "--help"]);
    expect(stdout).toContain("stdin is not passed on");
    expect(stdout).not.toContain("{})");
  });
});

describe("rm", () => {
  const replies: Replies = {
    ...LISTS,
    "DELETE /api/snapshots/agent": { status: 204 },
    "DELETE /api/sandboxes/sb-1": { status: 204 },
  };
  it.each([
    [["agent"], "removed snapshot agent\n", 1],
    [["sb-1", "nothing"], "removed sandbox sb-1\nnothing: was not there\n", 1],
    [["--all"], "removed sandbox sb-1\nremoved snapshot agent\n", 2],
  ])("%j", async (args, stdout, deletes) => {
    expect(await run(["rm", ...args], replies)).toEqual({ exitCode: 0, stdout, stderr: "" });
    expect(calls()?.filter((call) => call.startsWith("DELETE"))).toHaveLength(deletes);
  });

  it("wants to know what", async () => {
    expect(await run(["rm"])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--all") });
  });
});

it("gc tells what it freed", async () => {
  const replies = { "POST /api/gc": { json: { layers: 2, blobs: 3, sizeBytes: 5_242_880 } } };
  expect((await run(["gc"], replies)).stdout).toBe("removed 2 layers and 3 files, 5.0 MiB\n");
});

it("gc --verify tells what was damaged", async () => {
  const damaged = [{ key: "0123456789abcdef", problem: "etc/passwd has another size" }];
  const replies = { "POST /api/gc": { json: { layers: 0, blobs: 0, sizeBytes: 0, damaged } } };
  expect((await run(["gc", "--verify"], replies)).stdout).toBe(
    "layer 0123456789ab was damaged: etc/passwd has another size\nremoved 0 layers and 0 files, 0 B\n",
  );
});

describe("build", () => {
  const hash = Image.base().aptInstall(["jq"]).cacheKey();
  const entry = JSON.stringify(join(__dirname, "../../src/image/image.ts"));
  const replies: Replies = {
    "POST /api/snapshots": sse(["build_log", LOG], ["result", SNAPSHOT]),
    "POST /api/sandboxes": sse(["build_log", LOG], ["result", SANDBOX]),
    "DELETE /api/sandboxes/sb-1": { status: 204 },
  };
  const manifest = { base: "base", steps: [{ type: "apt_install", args: { packages: ["jq"] } }] };
  const files: [string, string][] = [
    ["a.json", JSON.stringify(manifest)],
    ["b.cjs", `module.exports = ${JSON.stringify(manifest)};`],
    ["c.mjs", `export const image = ${JSON.stringify(manifest)};`],
    ["d.ts", `const m: unknown = ${JSON.stringify(manifest)};\nexport default m;\nexport const other: number = 1;`],
    ["e.ts", `import { Image } from ${entry};\nexport const agent: Image = Image.base().aptInstall(["jq"]);`],
    ["f.cts", `import { part } from "./parts";\nexport const image = { ...part };`],
  ];

  it.each(files)("takes %s", async (name, text) => {
    writeFileSync(join(dir, name), text);
    writeFileSync(join(dir, "parts.ts"), `export const part: object = ${JSON.stringify(manifest)};`);
    const outcome = await run(["build", join(dir, name)], replies);
    expect(outcome).toEqual({ exitCode: 0, stdout: `${hash}\n`, stderr: "step 1/1: run make\n" });
    expect(calls()).toEqual(["POST /api/sandboxes", "DELETE /api/sandboxes/sb-1"]);
  });

  it("keeps it under a name", async () => {
    writeFileSync(join(dir, "a.json"), JSON.stringify(manifest));
    const { stdout } = await run(["build", join(dir, "a.json"), "--name", "agent", "--json"], replies);
    expect(JSON.parse(stdout)).toEqual(SNAPSHOT);
    expect(sent()).toEqual({ name: "agent", image: manifest });
  });

  it("makes it the current version of a name", async () => {
    writeFileSync(join(dir, "a.json"), JSON.stringify(manifest));
    const options = ["--name", "agent", "--new-version", "--label", "team=red"];
    const version = sse(["result", { ...SNAPSHOT, version: 4 }]);
    const { stdout, stderr } = await run(["build", join(dir, "a.json"), ...options], {
      "POST /api/snapshots": version,
    });
    expect({ stdout, stderr }).toEqual({
      stdout: `agent ${SNAPSHOT.contentHash}\n`,
      stderr: "agent is version 4 now\n",
    });
    expect(sent()).toEqual({ name: "agent", image: manifest, ifExists: "version", labels: { team: "red" } });
  });

  it("keeps sandboxes of it started", async () => {
    writeFileSync(join(dir, "a.json"), JSON.stringify(manifest));
    await run(["build", join(dir, "a.json"), "--name", "agent", "--warm-pool", "4"], replies);
    expect(sent()).toEqual({ name: "agent", image: manifest, warmPool: 4 });
  });

  it.each([
    [["--label", "team=red"], { labels: { team: "red" } }],
    [["--warm-pool", "0"], { warmPool: 0 }],
  ])("%j changes a name that stands for the same image already", async (options, change) => {
    writeFileSync(join(dir, "a.json"), JSON.stringify(manifest));
    const there = { ...SNAPSHOT, contentHash: hash };
    const outcome = await run(["build", join(dir, "a.json"), "--name", "agent", ...options], {
      "POST /api/snapshots": { status: 409, json: { error: "taken", code: "conflict" } },
      "GET /api/snapshots/agent": { json: there },
      "PATCH /api/snapshots/agent": { json: there },
    });
    expect(outcome.exitCode).toBe(0);
    expect(sent()).toEqual(change);
  });

  it.each([[["--new-version"]], [["--label", "a=b"]], [["--warm-pool", "0"]]])("%j needs a name", async (options) => {
    expect(await run(["build", "a.json", ...options])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(`${options[0]} needs the name`),
    });
  });

  it.each([
    ["the same image", hash, 0, "is there already"],
    ["another image", "0".repeat(64), 1, "error: taken (conflict)"],
    ["one that failed", undefined, 1, "error: taken (conflict)"],
  ])("a name that stands for %s", async (_name, contentHash, exitCode, stderr) => {
    writeFileSync(join(dir, "a.json"), JSON.stringify(manifest));
    const there = { ...SNAPSHOT, contentHash: contentHash ?? hash, ...(contentHash ? {} : { status: "failed" }) };
    const outcome = await run(["build", join(dir, "a.json"), "--name", "agent"], {
      "POST /api/snapshots": { status: 409, json: { error: "taken", code: "conflict" } },
      "GET /api/snapshots/agent": { json: there },
    });
    expect(outcome).toMatchObject({ exitCode, stderr: expect.stringContaining(stderr) });
    if (exitCode === 0) expect(outcome.stdout).toBe(`agent ${hash}\n`);
  });

  it.each([
    ["missing.ts", undefined, /^error: \S+missing\.ts does not exist \(invalid_input\)\n$/],
    ["image.py", "", /^error: FILE must be \.ts, \.js, \.mjs, \.cjs or \.json; got \S+image\.py \(invalid_input\)\n$/],
    [
      "syntax.ts",
      "interface A {\n  a: 1;\n}\nconst a = ;\n",
      /syntax\.ts:4\): SyntaxError: .*\nhint: fix \S+syntax\.ts\n$/,
    ],
    ["throws.ts", "throw new TypeError('boom');\n", /throws\.ts:1\): TypeError: boom \(invalid_input\)\nhint: fix/],
    [
      "list.ts",
      "throw new Error('2 problems:\\n  a\\n  b');",
      /Error: 2 problems \(invalid_input\):\n {2}a\n {2}b\nhint: fix/,
    ],
    ["missing.cjs", "require('./nowhere');", /Cannot find module '\.\/nowhere' \(invalid_input\)\nhint: fix/],
    ["throws.mjs", "const a = 1;\nnull.x;\n", /throws\.mjs:2\): TypeError: .*\nhint: fix/],
    ["none.cjs", "module.exports = { a: 1 };", /exports no Image/],
    [
      "two.cjs",
      `module.exports = { a: ${JSON.stringify(manifest)}, b: ${JSON.stringify(manifest)} };`,
      /exports 2 images/,
    ],
    ["bad.json", '{"base":"base","steps":[{"type":"frobnicate","args":{}}]}', /steps\[0\]/],
    ["text.json", "hello", /text\.json is not JSON/],
  ])("refuses %s", async (name, text, message) => {
    if (text !== undefined) writeFileSync(join(dir, name), text);
    const outcome = await run(["build", join(dir, name)]);
    expect(outcome).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(message) });
  });
});

it("serve tells a wrong setting in its log, for the program that waits for it", async () => {
  const { exitCode, stdout, stderr } = await run(["serve", "--port", "abc"]);
  expect(JSON.parse(stdout)).toMatchObject({ fatal: { code: "invalid_input", error: expect.stringContaining("abc") } });
  expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringMatching(/port: .*; got "abc"\n$/) });
});

describe("where no server runs", () => {
  it.each([[["ls"]], [["rm", "agent"]], [["rm", "--all"]], [["logs", "agent"]], [["gc"]]])(
    "%j says so",
    async (args) => {
      const { exitCode, stderr } = await run(args);
      expect({ exitCode, stderr }).toEqual({
        exitCode: 3,
        stderr: expect.stringMatching(/^error: no server is running/),
      });
      expect(stderr).not.toContain("hint:");
    },
  );

  it.each(["OPENCOMPUTER_API_URL", "OPENCOMPUTER_API_KEY"])("stop refuses where %s is set", async (name) => {
    const outcome = await runCommandLine(["stop"], { env: { [name]: "http://127.0.0.1:1" } });
    expect(outcome).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(`unset ${name}`) });
  });
});

describe("status and stop, where no server runs", () => {
  it.each<[string, string[], number, object]>([
    ["status", ["status", "--json"], 3, { running: false }],
    ["stop", ["stop", "--json"], 0, { stopped: false, killed: [], runOn: [] }],
    ["stop --all", ["stop", "--all", "--json"], 0, { stopped: false, killed: [], runOn: [] }],
  ])("%s", async (_name, args, exitCode, json) => {
    const outcome = await run(args);
    expect(outcome.exitCode).toBe(exitCode);
    expect(JSON.parse(outcome.stdout)).toMatchObject(json);
  });

  it("stop tells which sandboxes stay, and --all has a server end them", async () => {
    const left = join(dir, "home", "sandboxes", "sb-1");
    mkdirSync(left, { recursive: true });
    expect((await run(["stop"])).stdout).toBe(
      "no server was running; 1 sandbox stays as before (sb-1); to end them: pulumi-opencomputer stop --all\n",
    );
    const { stdout } = await run(["stop", "--all"], { ...LISTS, "DELETE /api/sandboxes/sb-1": { status: 204 } });
    expect(stdout).toMatch(/^killed 1 sandbox\n/);
    expect(calls()).toEqual(["GET /api/sandboxes", "DELETE /api/sandboxes/sb-1"]);
  });

  it("stop does not end a process that may be a stranger's", async () => {
    mkdirSync(join(dir, "home"));
    const card = { url: "http://127.0.0.1:1", apiKey: "k", pid: process.pid, version };
    writeFileSync(join(dir, "home", "server.json"), JSON.stringify(card));
    expect(await run(["stop"])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining(`process ${process.pid} lives`),
    });
  });
});

describe("errors", () => {
  it("are a message and a hint, without a stack", async () => {
    const { exitCode, stderr } = await run(["logs", "agent"], { "GET /api/snapshots/agent/log": NOT_FOUND });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: "error: no such thing (not_found)\nhint: see what there is with: pulumi-opencomputer ls\n",
    });
  });

  it("are one line of JSON on stdout with --json", async () => {
    const args = ["exec", "--json", "sb-1", "ls", "--json"];
    const { stdout } = await run(args, { "POST /api/sandboxes/sb-1/exec/run": NOT_FOUND });
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { error: { code: "not_found", message: "no such thing", retryable: false, details: expect.anything() } },
    ]);
    expect((await run(["exec", "sb-1", "ls", "--json"])).stdout).toBe("");
  });

  it("have a stack with --verbose", async () => {
    const { stderr } = await run(["--verbose", "logs", "agent"], { "GET /api/snapshots/agent/log": NOT_FOUND });
    expect(stderr).toMatch(/\n {4}at /);
  });

  it("Ctrl-C is exit code 130", async () => {
    server = await startFakeServer({ "GET /api/snapshots/agent/log": { ...sse(["build_log", LOG]), end: "hang" } });
    const outcome = await runCommandLine(["logs", "agent"], { url: server.url, signal: AbortSignal.timeout(50) });
    expect(outcome).toMatchObject({ exitCode: 130, stdout: "step 1/1: run make\n" });
  });
});
