import { readdir, readFile } from "node:fs/promises";

/** What a process holds of the machine. */
export interface ProcessSize {
  readonly memoryMb: number;
  readonly files: number;
  readonly threads: number;
}

/** Looks into /proc. @throws where the process is gone */
export async function processSize(pid: number): Promise<ProcessSize> {
  const [status, files] = await Promise.all([
    readFile(`/proc/${pid}/status`, "utf8"),
    readdir(`/proc/${pid}/fd`).then((names) => names.length),
  ]);
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  return { memoryMb: Math.round(field("VmRSS") / 1024), files, threads: field("Threads") };
}
