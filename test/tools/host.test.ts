import { describe, expect, test } from "vitest";
import { serverHome as compiledServerHome } from "../../src/paths";
import { describeCgroups, serverHome } from "../../tools/host.mjs";

describe("the server's home is the one of src/paths.ts", () => {
  test.each([
    [{}, 0],
    [{}, 1000],
    [{ XDG_DATA_HOME: "/data" }, 1000],
    [{ XDG_DATA_HOME: "/data" }, 0],
    [{ OPENCOMPUTER_HOME: "/srv/oc" }, 0],
  ])("%j, uid %i", (env, uid) => {
    const inputs = { env, uid, homeDir: "/home/me" };
    expect(serverHome(inputs)).toBe(compiledServerHome(inputs));
  });
});

describe("describeCgroups", () => {
  const v1 = "4:memory:/\n3:pids:/\n2:cpu,cpuacct:/\n";
  test.each([
    ["version 2", "cpuset cpu io memory pids\n", "0::/user.slice\n", "version 2"],
    ["version 1", "", v1, "version 1"],
    ["hybrid", "hugetlb\n", `${v1}0::/\n`, "version 1 (hybrid)"],
    ["no memory controller", "cpu pids\n", "0::/\n", undefined],
    ["nothing mounted", "", "", undefined],
  ])("%s", (_case, unified, own, expected) => {
    expect(describeCgroups(unified, own)).toBe(expected);
  });
});
