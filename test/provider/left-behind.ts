import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { census } from "../fixtures/census";

const SLOTS = "/run/opencomputer/net";

/**
 * What the server of a home, its sandboxes, and the providers that talked to it still have on this machine: processes,
 * mounts, containers, network slots. Unlike the whole machine's census, what others do meanwhile does not count.
 */
export function leftBehind(home: string): string[] {
  const run = createHash("sha256").update(home).digest("hex").slice(0, 12);
  return [
    ...processesOf(home).map((pid) => `process ${pid}: ${read(pid, "cmdline").replaceAll("\0", " ")}`),
    ...processes((pid) => read(pid, "mountinfo").includes(home)).map((pid) => `process ${pid} in a mount of ${home}`),
    ...census().filter((line) => line.includes(run) || line.includes(home)),
    ...(existsSync(SLOTS) ? readdirSync(SLOTS) : []).filter((slot) => ownerOf(slot) === home).map((n) => `slot ${n}`),
  ];
}

/** Processes that were started for this home and whose command line has the text. */
export function processesOf(home: string, text = ""): string[] {
  return processes(
    (pid) =>
      read(pid, "environ").split("\0").includes(`OPENCOMPUTER_HOME=${home}`) && read(pid, "cmdline").includes(text),
  );
}

/** Ends them as a kernel that runs out of memory does. */
export function killProcessesOf(home: string, text: string): void {
  for (const pid of processesOf(home, text)) process.kill(Number(pid), "SIGKILL");
}

/** Of Pulumi's program that our resources live in. */
export const PROVIDER = "cmd/dynamic-provider";
/** Of Pulumi's process that runs the program; one whose CLI was killed may take minutes to notice. */
export const LANGUAGE_HOST = "pulumi-language-nodejs";

function processes(isOne: (pid: string) => boolean): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isOne(name));
}

function ownerOf(slot: string): string {
  const file = join(SLOTS, slot, "owner");
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

/** Processes end while we look. */
function read(pid: string, file: string): string {
  try {
    return readFileSync(join("/proc", pid, file), "utf8");
  } catch {
    return "";
  }
}
