/**
 * The system calls that no image build and no sandbox needs, and that kernel exploits like best. A deny list: it is the
 * second wall behind the user namespace and the dropped capabilities, and must not break compilers, databases or Node.
 */

const EPERM = 1;
const ENOSYS = 38;
const CLONE_NEWUSER = 0x10000000;
const AF_ALG = 38;
const AF_VSOCK = 40;

const DENIED = [
  ..."io_uring_setup io_uring_enter io_uring_register userfaultfd bpf perf_event_open".split(" "),
  ..."add_key request_key keyctl kexec_load kexec_file_load init_module finit_module delete_module".split(" "),
  ..."open_by_handle_at lookup_dcookie acct swapon swapoff reboot quotactl quotactl_fd nfsservctl".split(" "),
  ..."mount umount2 pivot_root move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr".split(" "),
  ..."settimeofday clock_settime clock_adjtime adjtimex setns vm86 vm86old iopl ioperm".split(" "),
];

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
      { names: DENIED, action: "SCMP_ACT_ERRNO", errnoRet: EPERM },
      { names: ["clone", "unshare"], action: "SCMP_ACT_ERRNO", errnoRet: EPERM, args: newUser },
      // Its flags are behind a pointer, which no filter can read; libc falls back to clone.
      { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
      ...[AF_ALG, AF_VSOCK].map((family) => ({
        names: ["socket"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: EPERM,
        args: [{ index: 0, value: family, op: "SCMP_CMP_EQ" }],
      })),
      ...(ignoreSync ? [{ names: SYNCS, action: "SCMP_ACT_ERRNO", errnoRet: 0 }] : []),
    ],
  };
}

const ARCHITECTURES: Partial<Record<NodeJS.Architecture, readonly string[]>> = {
  x64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
};
