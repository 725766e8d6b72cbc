import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { cacheHome } from "../../src/paths";
import { cacheFolders, installTool, originOf } from "../../tools/cache.mjs";

describe("the root is the one of src/paths.ts", () => {
  test.each([
    [{}],
    [{ XDG_CACHE_HOME: "/var/cache/me" }],
    [{ XDG_CACHE_HOME: "/var/cache/me", OPENCOMPUTER_CACHE: "/srv/cache" }],
  ])("%j", (env) => {
    expect(cacheFolders({ env, homeDir: "/home/me" }).root).toBe(cacheHome({ env, uid: 1000, homeDir: "/home/me" }));
  });
});

describe("installTool", () => {
  let root: string;
  const write = (text: string) => async (folder: string) => writeFileSync(join(folder, "tool"), text);
  const linked = () => readFileSync(join(root, "bin/tool"), "utf8");

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "cache-test-"));
    vi.stubEnv("OPENCOMPUTER_CACHE", root);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(root, { recursive: true });
  });

  test("fills once and links", async () => {
    await installTool("tool-v1", ["tool"], write("first"));
    await installTool("tool-v1", ["tool"], write("second"));
    expect(linked()).toBe("first");
  });

  test("a new version takes over, the old link tells that it is outdated", async () => {
    await installTool("tool-v1", ["tool"], write("one"));
    expect(originOf(join(root, "bin/tool"), "tool-v1")).toBe("pinned");
    expect(originOf(join(root, "bin/tool"), "tool-v2")).toBe("outdated");
    expect(originOf("/usr/bin/env", "tool-v2")).toBe("own");
    await installTool("tool-v2", ["tool"], write("two"));
    expect(linked()).toBe("two");
  });

  test("a failed fill leaves nothing that looks finished", async () => {
    const fill = async (folder: string) => {
      await write("half")(folder);
      throw new Error("no network");
    };
    await expect(installTool("tool-v1", ["tool"], fill)).rejects.toThrow("no network");
    expect(readdirSync(join(root, "tools"))).toEqual([]);
    expect(existsSync(join(root, "bin/tool"))).toBe(false);
  });

  test("two at the same time end with one whole folder", async () => {
    await Promise.all([installTool("tool-v1", ["tool"], write("a")), installTool("tool-v1", ["tool"], write("b"))]);
    expect(["a", "b"]).toContain(linked());
    expect(readdirSync(join(root, "tools"))).toEqual(["tool-v1"]);
  });

  test("what a killed process left is removed, what a living one makes is not", async () => {
    const [dead, living] = [".unfinished-999999999-x", ".unfinished-1-x"];
    for (const name of [dead, living]) mkdirSync(join(root, "tools", name), { recursive: true });
    await installTool("tool-v1", ["tool"], write("a"));
    expect(readdirSync(join(root, "tools")).sort()).toEqual([living, "tool-v1"]);
  });
});
