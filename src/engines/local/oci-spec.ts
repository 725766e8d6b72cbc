import { seccompProfile } from "./seccomp";

/**
 * The OCI runtime configuration of a container, as a pure function. One shape for build steps and sandboxes, for runc,
 * crun and runsc. Root inside is {@link UID_SHIFT} outside, everywhere and always: so layers need no shifting of owners.
 */

/** Host uid and gid of root inside; the range holds {@link UID_RANGE} ids. */
export const UID_SHIFT = 100_000;
/** How many ids a container has. */
export const UID_RANGE = 65_536;

/** PATH where nobody set another. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export type RuntimeKind = "runsc" | "runc" | "crun";

/** A bind mount of a host path. */
export interface BindMount {
  readonly source: string;
  readonly destination: string;
  readonly readonly: boolean;
}

export interface ContainerLimits {
  readonly memoryBytes: number;
  readonly cpuCount: number;
  readonly pids: number;
}

export interface ContainerSpec {
  readonly kind: RuntimeKind;
  /** Merged root file system on the host. */
  readonly rootfs: string;
  readonly hostname: string;
  /** Program that holds the container open and reaps orphans; a path inside. */
  readonly init: readonly string[];
  readonly binds: readonly BindMount[];
  /** Path of a prepared network namespace. */
  readonly netns: string;
  /** Path of the user namespace that owns it. */
  readonly userns: string;
  readonly cgroupsPath: string;
  readonly limits: ContainerLimits;
  /** Whether the kernel accounts swap; where it does, there is none for containers. */
  readonly limitSwap: boolean;
  /** Most open files a process may have; not above what the host's own limit allows. */
  readonly openFiles: number;
  /**
   * Whether fsync and its like do nothing inside: for what is synced as a whole before it counts. gVisor, which applies no
   * such filter, syncs all the same.
   */
  readonly ignoreSync: boolean;
}

/** Who a process runs as. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
}

const SENTRY_TASKS = 128;
const CPU_PERIOD_US = 100_000;
const TERMINALS = 512;
const SHM_BYTES = 64 * 1024 * 1024;
/** Above the server's own, so that the kernel ends a sandbox first when the machine runs out of memory. */
const OOM_SCORE_ADJ = 500;

/** What root may do inside: what package managers, sudo and servers need, nothing that reaches the kernel's own state. */
const CAPABILITIES = [
  ..."CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP".split(" "),
  ..."CAP_SETFCAP CAP_NET_BIND_SERVICE CAP_SYS_CHROOT CAP_AUDIT_WRITE".split(" "),
];

const MASKED_PATHS = [
  ..."asound acpi kcore keys latency_stats timer_list timer_stats sched_debug scsi interrupts".split(" "),
].map((name) => `/proc/${name}`);
const MASKED_SYS_PATHS = ["/sys/firmware", "/sys/devices/virtual/powercap", "/sys/fs/cgroup"];
const READONLY_PATHS = ["bus", "fs", "irq", "sys", "sysrq-trigger"].map((name) => `/proc/${name}`);

const tmpfs = (destination: string, options: string[]) => ({
  destination,
  type: "tmpfs",
  source: "tmpfs",
  options: ["nosuid", ...options],
});

/** /tmp is not among them: it belongs to the disk, as on any machine, and to the image. */
const KERNEL_MOUNTS = [
  { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
  tmpfs("/dev", ["strictatime", "mode=755", "size=65536k"]),
  {
    destination: "/dev/pts",
    type: "devpts",
    source: "devpts",
    options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
  },
  tmpfs("/dev/shm", ["noexec", "nodev", "mode=1777", `size=${SHM_BYTES}`]),
  { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro", "nosuid", "noexec", "nodev"] },
];

/** The kernel has only so many; gVisor has its own and does not know the option. */
function withTerminals(mount: (typeof KERNEL_MOUNTS)[number], kind: RuntimeKind) {
  const isLimited = mount.type === "devpts" && kind !== "runsc";
  return isLimited ? { ...mount, options: [...mount.options, `max=${TERMINALS}`] } : mount;
}

/** The whole `config.json`. */
export function ociSpec(spec: ContainerSpec): object {
  return {
    ociVersion: "1.0.2",
    hostname: spec.hostname,
    root: { path: spec.rootfs, readonly: false },
    process: ociProcess({
      args: spec.init,
      env: [`PATH=${DEFAULT_PATH}`],
      user: { uid: 0, gid: 0 },
      openFiles: spec.openFiles,
    }),
    mounts: [...KERNEL_MOUNTS.map((mount) => withTerminals(mount, spec.kind)), ...spec.binds.map(bindMount)],
    linux: {
      uidMappings: [{ containerID: 0, hostID: UID_SHIFT, size: UID_RANGE }],
      gidMappings: [{ containerID: 0, hostID: UID_SHIFT, size: UID_RANGE }],
      namespaces: namespaces(spec),
      cgroupsPath: spec.cgroupsPath,
      resources: resources(spec),
      rootfsPropagation: "private",
      maskedPaths: spec.kind === "runsc" ? MASKED_PATHS : [...MASKED_PATHS, ...MASKED_SYS_PATHS],
      readonlyPaths: READONLY_PATHS,
      seccomp: seccompProfile(spec.ignoreSync),
    },
  };
}

export interface ProcessSpec {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly user: ProcessUser;
  readonly openFiles: number;
}

/**
 * The `process` of a container and of each exec. `noNewPrivileges` is off because sudo needs it so; what sudo can reach
 * is bounded by the user namespace and by the capabilities here.
 */
export function ociProcess({ args, env, user, openFiles }: ProcessSpec): object {
  const held = user.uid === 0 ? CAPABILITIES : [];
  return {
    terminal: false,
    user,
    args,
    env,
    cwd: "/",
    capabilities: { bounding: CAPABILITIES, effective: held, permitted: held, inheritable: [] },
    rlimits: [
      { type: "RLIMIT_NOFILE", hard: openFiles, soft: openFiles },
      { type: "RLIMIT_CORE", hard: 0, soft: 0 },
    ],
    noNewPrivileges: false,
    oomScoreAdj: OOM_SCORE_ADJ,
  };
}

function bindMount(bind: BindMount): object {
  const options = ["bind", "nosuid", "nodev", "private", bind.readonly ? "ro" : "rw"];
  return { destination: bind.destination, type: "bind", source: bind.source, options };
}

/**
 * `runc exec` joins the user namespace first, and may then join only such network namespaces as belong to it: so both
 * are made together beforehand. runsc can make its own user namespace only, and joins the other as the host's root.
 */
function namespaces({ kind, netns, userns }: ContainerSpec): object[] {
  const own = ["pid", "ipc", "uts", "mount", "cgroup"].map((type) => ({ type }));
  const user = kind === "runsc" ? { type: "user" } : { type: "user", path: userns };
  return [...own, user, { type: "network", path: netns }];
}

/** gVisor holds two tasks of the host for each process inside, and some of its own; without one it ends as a whole. */
function resources({ kind, limits, limitSwap }: ContainerSpec): object {
  return {
    devices: [{ allow: false, access: "rwm" }],
    memory: { limit: limits.memoryBytes, ...(limitSwap ? { swap: limits.memoryBytes } : {}) },
    cpu: { period: CPU_PERIOD_US, quota: Math.round(limits.cpuCount * CPU_PERIOD_US) },
    pids: { limit: kind === "runsc" ? limits.pids * 2 + SENTRY_TASKS : limits.pids },
  };
}
