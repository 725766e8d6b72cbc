/**
 * The system calls that no image build and no sandbox needs, and that kernel exploits like best. A deny list: it is the
 * second wall behind the user namespace and the dropped capabilities, and must not break compilers, databases or Node.
 */

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;
const CLONE_NEWUSER = 0x10000000;
/** Arguments that the kernel takes for 32 bits are compared as such: what stands above them must not hide them. */
const LOW_WORD = 0xffffffff;

const DENIED = [
  ..."io_uring_setup io_uring_enter io_uring_register userfaultfd bpf perf_event_open fanotify_init".split(" "),
  ..."add_key request_key keyctl kexec_load kexec_file_load init_module finit_module delete_module".split(" "),
  ..."create_module query_module get_kernel_syms uselib ustat sysfs _sysctl syslog vserver".split(" "),
  ..."open_by_handle_at lookup_dcookie acct swapon swapoff reboot quotactl quotactl_fd nfsservctl".split(" "),
  ..."mount umount umount2 pivot_root move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr".split(" "),
  ..."settimeofday stime clock_settime clock_settime64 clock_adjtime clock_adjtime64 adjtimex".split(" "),
  ..."setns vm86 vm86old iopl ioperm".split(" "),
];

/** Unix, IPv4, IPv6, netlink, and packets, which the missing capability refuses. */
const LAST_NEEDED_FAMILY = 17;
const NEEDED_FAMILIES: readonly number[] = [1, 2, 10, 16, LAST_NEEDED_FAMILY];
const AF_NETLINK = 16;
/** Routes, sockets, events and generic: what tools ask for. Firewalls, IPsec, cryptography and audit are not among them. */
const LAST_NEEDED_NETLINK = 16;
const NEEDED_NETLINK: readonly number[] = [0, 4, 15, LAST_NEEDED_NETLINK];

/** Types into another's terminal, or pastes there. */
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;

/** Answered with success and not done, where everything that was written is synced as a whole later. */
const SYNCS = ["fsync", "fdatasync", "sync", "syncfs", "sync_file_range"];

/**
 * The `linux.seccomp` of a container: everything but the calls above, and no new user namespaces.
 *
 * @param ignoreSync whether to spare the disk what processes inside want to have synced
 */
export function seccompProfile(ignoreSync: boolean): object {
  const newUser = [{ index: 0, value: CLONE_NEWUSER, valueTwo: CLONE_NEWUSER, op: "SCMP_CMP_MASKED_EQ" }];
  return {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: ARCHITECTURES[process.arch] ?? [],
    syscalls: [
      ...sockets(),
      ...[TIOCSTI, TIOCLINUX].map((request) => ({
        names: ["ioctl"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: EPERM,
        args: [{ index: 1, value: LOW_WORD, valueTwo: request, op: "SCMP_CMP_MASKED_EQ" }],
      })),
      { names: DENIED, action: "SCMP_ACT_ERRNO", errnoRet: EPERM },
      { names: ["clone", "unshare"], action: "SCMP_ACT_ERRNO", errnoRet: EPERM, args: newUser },
      // What they ask for is behind a pointer, which no filter can read; libc falls back to clone, and 32-bit programs,
      // whose sockets socketcall makes, have none.
      { names: ["clone3", "socketcall"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
      ...(ignoreSync ? [{ names: SYNCS, action: "SCMP_ACT_ERRNO", errnoRet: 0 }] : []),
    ],
  };
}

/** No other families of sockets than programs need: the rest is old code of the kernel that nobody looks after. */
function sockets(): object[] {
  const refuse = (...args: readonly object[]) => ({
    names: ["socket", "socketpair"],
    action: "SCMP_ACT_ERRNO",
    errnoRet: EAFNOSUPPORT,
    args,
  });
  const netlink = { index: 0, value: LOW_WORD, valueTwo: AF_NETLINK, op: "SCMP_CMP_MASKED_EQ" };
  return [
    ...allBut(NEEDED_FAMILIES).map((family) => refuse({ index: 0, value: family, op: "SCMP_CMP_EQ" })),
    refuse({ index: 0, value: LAST_NEEDED_FAMILY, op: "SCMP_CMP_GT" }),
    ...allBut(NEEDED_NETLINK).map((kind) => refuse(netlink, { index: 2, value: kind, op: "SCMP_CMP_EQ" })),
    refuse(netlink, { index: 2, value: LAST_NEEDED_NETLINK, op: "SCMP_CMP_GT" }),
  ];
}

/** The numbers from 0 to the last of these that are not among them; above it, everything is refused at once. */
function allBut(needed: readonly number[]): number[] {
  return Array.from({ length: Math.max(...needed) }, (_, number) => number).filter((one) => !needed.includes(one));
}

/** The x32 variant of x86-64 is in none: what uses it is killed. */
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, readonly string[]>> = {
  x64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
};
