import { expect, test } from "vitest";
import { type ContainerSpec, ociProcess, ociSpec, type RuntimeKind } from "../../../src/engines/local/oci-spec";

interface Config {
  process: {
    user: { uid: number };
    capabilities: Record<string, string[]>;
    noNewPrivileges: boolean;
  };
  mounts: { destination: string; options: string[] }[];
  linux: {
    uidMappings: { containerID: number; hostID: number; size: number }[];
    namespaces: { type: string; path?: string }[];
    resources: { memory: object; cpu: object; pids: object; devices: object[] };
    cgroupsPath: string;
    rootfsPropagation: string;
    maskedPaths: string[];
    seccomp: { syscalls: { names: string[]; action: string }[] };
  };
}

const spec = (kind: RuntimeKind, limitSwap = true): ContainerSpec => ({
  kind,
  rootfs: "/run/merged/a",
  hostname: "a",
  init: ["/.oc/opencomputer-agent", "init"],
  binds: [{ source: "/h/shared", destination: "/.oc", readonly: true }],
  netns: "/proc/7/ns/net",
  userns: "/proc/7/ns/user",
  cgroupsPath: "/opencomputer/a",
  limits: { memoryBytes: 1024, cpuCount: 1.5, pids: 9 },
  limitSwap,
  openFiles: 1000,
  ignoreSync: false,
});
const config = (kind: RuntimeKind, limitSwap = true) => ociSpec(spec(kind, limitSwap)) as Config;

test.each(["runc", "crun", "runsc"] as const)("%s: root inside is nobody outside", (kind) => {
  const { linux } = config(kind);
  expect(linux.uidMappings).toEqual([{ containerID: 0, hostID: 100_000, size: 65_536 }]);
  expect(linux.namespaces.map(({ type }) => type).sort()).toEqual(
    ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"].sort(),
  );
});

test("runc joins the user namespace of the network; runsc makes its own", () => {
  const user = (kind: RuntimeKind) => config(kind).linux.namespaces.find(({ type }) => type === "user");
  expect(user("runc")).toEqual({ type: "user", path: "/proc/7/ns/user" });
  expect(user("runsc")).toEqual({ type: "user" });
});

test("limits: no swap beyond the memory, a quota of the CPU, a number of processes, no devices", () => {
  expect(config("runc").linux.resources).toEqual({
    devices: [{ allow: false, access: "rwm" }],
    memory: { limit: 1024, swap: 1024 },
    cpu: { period: 100_000, quota: 150_000 },
    pids: { limit: 9 },
  });
  expect(config("runsc").linux.resources.pids).toEqual({ limit: 146 });
  expect(config("runc", false).linux.resources.memory).toEqual({ limit: 1024 });
});

test("nothing of the host is writable", () => {
  const { mounts, linux } = config("runc");
  expect(mounts.find(({ destination }) => destination === "/.oc")?.options).toEqual([
    ...["bind", "nosuid", "nodev", "private", "ro"],
  ]);
  expect(mounts.find(({ destination }) => destination === "/sys")?.options).toContain("ro");
  expect(linux.rootfsPropagation).toBe("private");
  expect(linux.cgroupsPath).toBe("/opencomputer/a");
  expect(linux.maskedPaths).toContain("/proc/kcore");
});

test("no call that makes a user namespace, mounts or reaches into the kernel", () => {
  const denied = config("runc").linux.seccomp.syscalls.flatMap(({ names }) => names);
  expect(denied).toEqual(expect.arrayContaining(["mount", "bpf", "keyctl", "io_uring_setup", "unshare", "clone3"]));
});

test("syncs are done, and answered only where they are to be spared", () => {
  const syncs = (ignoreSync: boolean) =>
    (ociSpec({ ...spec("runc"), ignoreSync }) as Config).linux.seccomp.syscalls.filter(({ names }) =>
      names.includes("fsync"),
    );
  expect(syncs(false)).toEqual([]);
  expect(syncs(true)).toMatchObject([{ action: "SCMP_ACT_ERRNO", errnoRet: 0 }]);
});

test("only root holds capabilities; sudo may raise to no more than the bounding set", () => {
  const process = (uid: number) =>
    ociProcess({ args: ["true"], env: [], user: { uid, gid: uid }, openFiles: 1 }) as Config["process"];
  expect(process(1000).capabilities["effective"]).toEqual([]);
  expect(process(1000).capabilities["bounding"]).toEqual(process(0).capabilities["effective"]);
  expect(process(0).capabilities["bounding"]).not.toContain("CAP_SYS_ADMIN");
  expect(process(0).capabilities["bounding"]).not.toContain("CAP_NET_RAW");
  expect(process(1000).noNewPrivileges).toBe(false);
});
