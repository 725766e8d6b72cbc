import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Image } from "../../src/image/image";
import { type FakeServer, startFakeServer } from "../client/fake-server";
import { runCommandLine } from "./fake-terminal";

let dir: string;
let file: string;
let server: FakeServer | undefined;
const image = Image.base().aptInstall(["jq"]).pipInstall(["polars==1.9"]).workdir("/workspace");

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-plan-"));
  file = join(dir, "image.json");
  writeFileSync(file, JSON.stringify(image));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(dir, { recursive: true });
});

const run = (...args: string[]) =>
  runCommandLine(args, { env: { OPENCOMPUTER_HOME: join(dir, "home") }, ...(server ? { url: server.url } : {}) });
const keys = ["a", "b", "c"].map((letter) => letter.repeat(64));
const answer = (cached: number) => ({
  "POST /api/plan": { json: { contentHash: image.cacheKey(), keys, cached } },
});

it("shows each step, whether it is built, and where a build begins", async () => {
  server = await startFakeServer(answer(1));
  const { stdout, exitCode } = await run("plan", file);
  expect(exitCode).toBe(0);
  expect(stdout.split("\n")).toEqual([
    "STEP  BUILT  KEY           FILES  WHAT",
    "1     yes    aaaaaaaaaaaa  -      apt_install jq",
    "2     no     bbbbbbbbbbbb  -      pip_install polars==1.9",
    "3     no     cccccccccccc  -      workdir /workspace",
    "",
    `${image.cacheKey()}: build from step 2 of 3`,
    "",
  ]);
});

it("shows a service, and when it counts as ready", async () => {
  const service = Image.base().startCommand("serve", { readyCommand: "curl -sf localhost", readyTimeoutSeconds: 9 });
  writeFileSync(file, JSON.stringify(service));
  const { stdout } = await run("plan", file);
  expect(stdout).toMatch(/^1 +\? +- +- +start_command serve \(ready within 9 s when: curl -sf localhost\)$/m);
});

it("says so where all is built, and in JSON", async () => {
  server = await startFakeServer(answer(3));
  expect((await run("plan", file)).stdout).toContain("all is built");
  const { contentHash, steps } = JSON.parse((await run("plan", file, "--json")).stdout);
  expect(contentHash).toBe(image.cacheKey());
  expect(steps[1]).toEqual({
    ...{ op: "pip_install", summary: "pip_install polars==1.9", digest: expect.stringMatching(/^[0-9a-f]{16}$/) },
    ...{ key: keys[1], cached: true, sizeBytes: 0 },
  });
});

it("starts no server, and shows what can be known without one", async () => {
  const { stdout, exitCode } = await run("plan", file);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^1 +\? +- +- +apt_install jq$/m);
  expect(stdout).toContain(`${image.cacheKey()}: 3 steps`);
});

it("says that it does not know the sizes of files that a manifest only names", async () => {
  const agent = join(dir, "agent");
  mkdirSync(agent);
  for (let index = 0; index < 250; index++) writeFileSync(join(agent, `f${index}`), "four");
  writeFileSync(file, JSON.stringify(Image.base().addLocalDir(agent, "/agent")));
  const { stdout } = await run("plan", file);
  expect(stdout).toMatch(/^1 +\? +- +\? +add_dir \/agent/m);
  expect(stdout).toContain(": 1 step\n");
});
