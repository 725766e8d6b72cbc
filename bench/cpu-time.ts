import { readFile } from "node:fs/promises";

/** USER_HZ, which is 100 on every Linux that Node.js runs on. */
const TICK_MS = 10;

/** The milliseconds of CPU that a process has used: proc_pid_stat(5), utime and stime. */
export async function cpuTimeMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const [user = 0, system = 0] = stat
    .replace(/^.*\) /s, "")
    .split(" ")
    .slice(11, 13)
    .map(Number);
  return (user + system) * TICK_MS;
}

/** Counts what processes use of the CPU over the stretches that are watched. */
export class CpuWatch {
  private readonly used: number[][] = [];

  constructor(private readonly pids: readonly number[]) {}

  /** Does something and counts what it used. */
  async around<T>(work: () => Promise<T>): Promise<T> {
    const before = await this.read();
    const result = await work();
    const after = await this.read();
    this.used.push(after.map((ms, index) => ms - (before[index] ?? 0)));
    return result;
  }

  /** The mean of each process, in milliseconds. */
  means(): number[] {
    return this.pids.map(
      (_, index) => this.used.reduce((sum, stretch) => sum + (stretch[index] ?? 0), 0) / this.used.length,
    );
  }

  private read(): Promise<number[]> {
    return Promise.all(this.pids.map(cpuTimeMs));
  }
}
