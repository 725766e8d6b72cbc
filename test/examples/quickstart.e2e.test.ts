import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { census, leaked } from "../fixtures/census";
import { repository } from "../provider/pulumi-stack";

/**
 * The README's first two commands, as a user types them, with packages from the real registries: the one test that asks
 * them. Homes and state are its own; tools and the base come from the cache.
 */
let dir: string;
let before: string[];

beforeAll(() => {
  before = census();
  dir = mkdtempSync(join(tmpdir(), "oc-quickstart-"));
  mkdirSync(join(dir, "backend"));
});

afterAll(async () => {
  await run("destroy");
  rmSync(dir, { recursive: true, force: true });
});

async function run(script: "start" | "destroy"): Promise<{ exitCode: number; all: string }> {
  const { exitCode, all } = await execa("npm", ["run", script], {
    cwd: repository,
    env: {
      OPENCOMPUTER_HOME: join(dir, "home"),
      PULUMI_BACKEND_URL: `file://${join(dir, "backend")}`,
      PULUMI_HOME: join(dir, "pulumi"),
      PULUMI_CONFIG_PASSPHRASE: "test",
    },
    all: true,
    reject: false,
    stdin: "ignore",
    timeout: 1_800_000,
  });
  return { exitCode: exitCode ?? -1, all };
}

const table = /note\s+open\s+done\n-+.*\nlaunch\s+1\s+2\nresearch\s+3\s+1\n/s;

it("npm start builds the image, starts a sandbox and runs the tool in it", async () => {
  const { exitCode, all } = await run("start");
  expect(exitCode, all).toBe(0);
  expect(all).toContain("3 created");
  expect(all).toContain("stage dev, in /workspace");
  expect(all).toMatch(table);
});

it("npm start builds nothing the second time", async () => {
  const { exitCode, all } = await run("start");
  expect(exitCode, all).toBe(0);
  expect(all).toContain("3 unchanged");
  expect(all).not.toMatch(/creat(ed|ing)/);
  expect(all).toMatch(table);
});

it("npm run destroy leaves nothing behind, the server that it has to start included", async () => {
  const home = { OPENCOMPUTER_HOME: join(dir, "home") };
  await execa("node", ["dist/src/cli/main.js", "stop"], { cwd: repository, env: home, timeout: 60_000 });
  const { exitCode, all } = await run("destroy");
  expect(exitCode, all).toBe(0);
  expect(leaked(before, census())).toEqual([]);
});
