import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { gatherHostFacts, reachableResolvers } from "../../../src/engines/local/host-facts";

test.each([
  ["an ordinary one stays", "search a.b\nnameserver 10.0.0.1\n", "search a.b\nnameserver 10.0.0.1\n"],
  ["a loopback one goes", "nameserver 127.0.0.1\nnameserver 10.0.0.1", "nameserver 10.0.0.1"],
  ["nothing but loopback", "nameserver 127.0.0.53\nnameserver ::1\n", "nameserver 1.1.1.1\nnameserver 8.8.8.8\n"],
  ["nothing at all", "", "nameserver 1.1.1.1\nnameserver 8.8.8.8\n"],
])("resolvers: %s", (_, host, inside) => {
  expect(reachableResolvers(host)).toBe(inside);
});

describe("facts of the host", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "oc-facts-"));
    writeFileSync(join(dir, "agent"), "");
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const gather = (hostEnv: Record<string, string>) =>
    gatherHostFacts({
      shared: join(dir, "shared"),
      stepFiles: join(dir, "step-files"),
      hostEnv,
      agent: join(dir, "agent"),
      baseRoot: dir,
    });

  test.each([
    ["a proxy", "HTTPS_PROXY", "http://me:secret@proxy:3128", true],
    ["a proxy without a scheme", "http_proxy", "me:secret@proxy:3128", true],
    ["a password with everything", "PIP_INDEX_URL", "https://me:se/cr#et@pip/simple", true],
    ["the second of two mirrors", "PIP_EXTRA_INDEX_URL", "https://one/simple https://token@two/simple", true],
    ["an open mirror", "npm_config_registry", "https://registry.example/npm/", false],
    ["no proxy", "NO_PROXY", "localhost,.example", false],
  ])("%s", async (_, name, value, isSecret) => {
    const { forSteps, forSandboxes } = await gather({ [name]: value });
    expect(forSteps.env[name]).toBe(value);
    expect(Object.values(forSandboxes.env).includes(value)).toBe(!isSecret);
  });

  test("the agent that containers run is never replaced: another is put beside it", async () => {
    const agents = () =>
      readdirSync(join(dir, "shared"), { recursive: true, withFileTypes: true })
        .filter(({ name }) => name.includes("agent"))
        .map(({ parentPath, name }) => statSync(join(parentPath, name)).ino);
    await gather({});
    const first = agents();
    await gather({});
    expect(agents()).toEqual(first);
    writeFileSync(join(dir, "agent"), "a later one");
    await gather({});
    expect(agents()).toEqual(expect.arrayContaining(first));
    expect(agents()).toHaveLength(2);
  });

  test.each([
    ["deb https://me:secret@mirror/debian stable main\n", true],
    ["# ask admin@example\ndeb https://mirror/debian stable main\n", false],
  ])("source list %j", async (list, isSecret) => {
    writeFileSync(join(dir, "list"), list);
    const { forSteps, forSandboxes } = await gather({ OPENCOMPUTER_APT_SOURCES: join(dir, "list") });
    const has = (facts: typeof forSteps) =>
      facts.binds.some(({ destination }) => destination === "/etc/apt/sources.list");
    expect([has(forSteps), has(forSandboxes)]).toEqual([true, !isSecret]);
    const shared = readdirSync(join(dir, "shared"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
    expect(shared.join()).not.toContain("mirror");
  });
});
