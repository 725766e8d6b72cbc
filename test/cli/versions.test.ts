import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FakeServer, type Replies, type Reply, startFakeServer } from "../client/fake-server";
import { runCommandLine } from "./fake-terminal";

const NEW = {
  ...{ id: "1", name: "agent", status: "ready", contentHash: "abcdef0123456789", manifest: {} },
  ...{ createdAt: "2026-05-04T10:20:30.123Z", version: 3, current: true, tags: ["nightly"], labels: { team: "red" } },
};
const OLD = { ...NEW, contentHash: "00ff00ff00ff00ff", version: 2, current: false, tags: ["stable", "v1"] };
const BARE = { id: "2", name: "plain", status: "ready", contentHash: "1234", manifest: {}, createdAt: NEW.createdAt };
const NOT_FOUND: Reply = { status: 404, json: { error: "snapshot not found: agent@9", code: "not_found" } };

let dir: string;
let server: FakeServer | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-versions-"));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(dir, { recursive: true });
});

async function run(args: readonly string[], replies?: Replies) {
  if (replies) server = await startFakeServer(replies);
  const env = { OPENCOMPUTER_HOME: join(dir, "home") };
  return runCommandLine(args, { env, ...(server ? { url: server.url } : {}) });
}
const calls = () => server?.requests.map(({ call }) => decodeURIComponent(call));

describe("versions", () => {
  const replies: Replies = { "GET /api/snapshots/agent/versions": { json: [NEW, OLD] } };

  it("prints a table", async () => {
    expect((await run(["versions", "agent"], replies)).stdout).toBe(
      [
        "VERSION  CURRENT  STATUS  HASH          TAGS       CREATED            LAST USED",
        "agent@3  yes      ready   abcdef012345  nightly    2026-05-04T10:20Z  -",
        "agent@2  -        ready   00ff00ff00ff  stable,v1  2026-05-04T10:20Z  -",
        "",
      ].join("\n"),
    );
  });

  it("prints JSON", async () => {
    expect(JSON.parse((await run(["versions", "agent", "--json"], replies)).stdout)).toEqual([NEW, OLD]);
  });
});

describe("one version", () => {
  it.each<[string[], string, Reply, string, unknown]>([
    [["promote", "agent@2"], "POST /api/snapshots/agent@2/promote", { json: OLD }, "agent is version 2 now", OLD],
    [["promote", "agent:v1"], "POST /api/snapshots/agent:v1/promote", { json: OLD }, "agent is version 2 now", OLD],
    [["tag", "agent@2", "good"], "PUT /api/snapshots/agent@2/tags/good", { json: OLD }, "agent:good is version 2", OLD],
    [["tag", "agent", "good"], "PUT /api/snapshots/agent/tags/good", { json: NEW }, "agent:good is version 3", NEW],
    [
      ["untag", "agent", "v1"],
      "DELETE /api/snapshots/agent/tags/v1",
      { status: 204 },
      "removed tag agent:v1",
      { name: "agent", tag: "v1" },
    ],
  ])("%j", async (args, call, reply, text, json) => {
    const key = call.replace(/@/g, "%40").replace(/(?<=agent):/, "%3A");
    const { exitCode, stdout } = await run(args, { [key]: reply });
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringMatching(new RegExp(`^${text}`)) });
    expect(calls()).toEqual([call]);
    expect(JSON.parse((await run([...args, "--json"])).stdout)).toEqual(json);
  });

  it.each([
    [["promote", "agent"], /name a version, as NAME@3.*: pulumi-opencomputer versions agent/],
    [["promote", "agent@0"], /must be a snapshot's name, or name@VERSION/],
    [["versions", "agent@3"], /no '\/' and no spaces/],
    [["tag", "agent@3", "a b"], /no '\/' and no spaces/],
    [["untag", "agent:v1", "v1"], /no '\/' and no spaces/],
    [["tag", "agent@3"], /missing required argument 'tag'/],
  ])("%j is wrong usage, and says what is right", async (args, message) => {
    expect(await run(args)).toEqual({ exitCode: 2, stdout: "", stderr: expect.stringMatching(message) });
  });

  it("that is not there is an error with a hint", async () => {
    const { exitCode, stderr } = await run(["promote", "agent@9"], {
      "POST /api/snapshots/agent%409/promote": NOT_FOUND,
    });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: expect.stringMatching(
        /@9 \(not_found\)\nhint: see its versions with: pulumi-opencomputer versions agent\n$/,
      ),
    });
  });
});

describe("rm", () => {
  const lists: Replies = { "GET /api/snapshots": { json: [NEW] }, "GET /api/sandboxes": { json: [] } };
  const replies: Replies = {
    ...lists,
    "GET /api/snapshots/agent%402": { json: OLD },
    "DELETE /api/snapshots/agent%402": { status: 204 },
    "GET /api/snapshots/agent%409": NOT_FOUND,
  };

  it("removes versions, and says which were not there", async () => {
    const { exitCode, stdout } = await run(["rm", "agent@2", "agent@9"], replies);
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: "removed version agent@2\nagent@9: was not there\n",
    });
    expect(calls()?.filter((call) => call.startsWith("DELETE"))).toEqual(["DELETE /api/snapshots/agent@2"]);
  });

  it("removes no tag by mistake, and nothing else of the list", async () => {
    const { exitCode, stderr } = await run(["rm", "agent@2", "agent:v1"]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: expect.stringContaining("pulumi-opencomputer untag agent v1"),
    });
  });
});

describe("ls", () => {
  it("shows versions, tags and labels where there are any", async () => {
    const sandbox = { sandboxID: "sb-1", status: "running", snapshot: "agent", tags: { job: "7" } };
    const { stdout } = await run(["ls"], {
      "GET /api/snapshots": { json: [NEW, BARE] },
      "GET /api/sandboxes": { json: [sandbox] },
    });
    expect(stdout.split("\n")).toEqual([
      "SNAPSHOT  VERSION  STATUS  HASH          TAGS     LABELS    CREATED            LAST USED",
      "agent     3        ready   abcdef012345  nightly  team=red  2026-05-04T10:20Z  -",
      "plain     -        ready   1234          -        -         2026-05-04T10:20Z  -",
      "",
      "SANDBOX  STATUS   FROM   MEMORY  TAGS   STARTED  SLEEPS",
      "sb-1     running  agent  -       job=7  -        -",
      "",
    ]);
  });

  it("asks for snapshots with certain labels only", async () => {
    const args = ["ls", "--label", "team=red", "--label", "stage=a=b", "--json"];
    const { stdout } = await run(args, { "GET /api/snapshots": { json: [NEW] } });
    expect(JSON.parse(stdout)).toEqual({ snapshots: [NEW] });
    expect(calls()).toEqual(["GET /api/snapshots?label=team=red&label=stage=a=b"]);
  });

  const builds = [
    { id: "0a1b2c3d-1", status: "running", contentHash: "abcdef0123456789", startedAt: "2026-05-04T10:20:30Z" },
    {
      ...{ id: "4e5f6071-2", status: "failed", contentHash: "00ff00ff00ff00ff", name: "agent", error: "no" },
      ...{ startedAt: "2026-05-04T10:10:00Z", finishedAt: "2026-05-04T10:11:02.340Z" },
    },
  ];

  it("shows builds", async () => {
    const { stdout } = await run(["ls", "--builds"], { "GET /api/builds": { json: builds } });
    expect(stdout.split("\n")).toEqual([
      "BUILD     STATUS   SNAPSHOT  HASH          STARTED            TOOK",
      "0a1b2c3d  running  -         abcdef012345  2026-05-04T10:20Z  -",
      "4e5f6071  failed   agent     00ff00ff00ff  2026-05-04T10:10Z  62.3 s",
      "",
    ]);
    expect(JSON.parse((await run(["ls", "--builds", "--json"])).stdout)).toEqual({ builds });
  });

  it.each([
    [["--builds", "--label", "a=b"], 2],
    [["--label", "a"], 2],
  ])("%j is wrong usage", async (args, exitCode) => {
    expect(await run(["ls", ...args])).toMatchObject({ exitCode, stderr: expect.stringContaining("error: ") });
  });
});
