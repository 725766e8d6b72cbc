import { expect, test } from "vitest";
import { seccompProfile } from "../../../src/engines/local/seccomp";

interface Condition {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: string;
}
interface Rule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet: number;
  readonly args?: readonly Condition[];
}

const { syscalls, architectures } = seccompProfile(false) as { syscalls: readonly Rule[]; architectures: string[] };

/** As the kernel compares: 64 bits, unsigned. */
function holds({ index, value, valueTwo = 0, op }: Condition, args: readonly bigint[]): boolean {
  const found = args[index] ?? 0n;
  if (op === "SCMP_CMP_EQ") return found === BigInt(value);
  if (op === "SCMP_CMP_GT") return found > BigInt(value);
  if (op === "SCMP_CMP_MASKED_EQ") return (found & BigInt(value)) === BigInt(valueTwo);
  throw new Error(op);
}

/** What a call is answered with; 0 where it is let through. */
function answerTo(name: string, ...args: readonly bigint[]): number {
  const rule = syscalls.find(
    ({ names, args: conditions = [] }) => names.includes(name) && conditions.every((one) => holds(one, args)),
  );
  return rule?.action === "SCMP_ACT_ERRNO" ? rule.errnoRet : 0;
}

const EPERM = 1;
const NO_FAMILY = 97;
const HIGH = 1n << 32n;

test.each([
  ["unix", 1n, 0n, 0],
  ["IPv4", 2n, 0n, 0],
  ["IPv6", 10n, 0n, 0],
  ["routes", 16n, 0n, 0],
  ["diagnosis", 16n, 4n, 0],
  ["events", 16n, 15n, 0],
  ["generic", 16n, 16n, 0],
  ["packets, which a capability refuses", 17n, 0n, 0],
  ["nothing", 0n, 0n, NO_FAMILY],
  ["keys", 15n, 2n, NO_FAMILY],
  ["the first above", 18n, 0n, NO_FAMILY],
  ["cryptography", 38n, 0n, NO_FAMILY],
  ["hypervisor", 40n, 0n, NO_FAMILY],
  ["firewall", 16n, 12n, NO_FAMILY],
  ["audit", 16n, 9n, NO_FAMILY],
  ["the first netlink above", 16n, 17n, NO_FAMILY],
  ["hypervisor, hidden above 32 bits", HIGH + 40n, 0n, NO_FAMILY],
  ["keys, hidden above 32 bits", 5n * HIGH + 15n, 0n, NO_FAMILY],
  ["firewall, hidden above 32 bits", 16n, HIGH + 12n, NO_FAMILY],
  ["firewall, both hidden above 32 bits", HIGH + 16n, HIGH + 12n, NO_FAMILY],
])("a socket for %s", (_, family, protocol, answer) => {
  for (const name of ["socket", "socketpair"]) expect(answerTo(name, family, 1n, protocol)).toBe(answer);
});

test.each([
  ["typing into a terminal", 0x5412n, EPERM],
  ["pasting into a terminal", 0x541cn, EPERM],
  ["typing, hidden above 32 bits", HIGH + 0x5412n, EPERM],
  ["the size of a terminal", 0x5413n, 0],
])("ioctl: %s", (_, request, answer) => {
  expect(answerTo("ioctl", 1n, request, 0n)).toBe(answer);
});

test("a user namespace is refused by any flags that hold it; threads and processes are not", () => {
  for (const name of ["clone", "unshare"]) {
    expect(answerTo(name, 0x10000000n)).toBe(EPERM);
    expect(answerTo(name, HIGH + 0x10020011n)).toBe(EPERM);
    expect(answerTo(name, 0x3d0f00n)).toBe(0);
  }
});

test("x32 is no architecture of it", () => {
  expect(architectures).not.toContain("SCMP_ARCH_X32");
});
