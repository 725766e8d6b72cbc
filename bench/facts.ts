import { readFile } from "node:fs/promises";
import { availableParallelism, release, totalmem } from "node:os";
import type { BenchRun } from "./bench-run";
import { ask } from "./command";

/** What a figure depends on: machine, programs, date, and how busy the machine was before. */
export type Facts = Readonly<Record<string, string>>;

/** Looks at the machine; asked before anything runs, so that the load is not our own. */
export async function machineFacts(run: BenchRun): Promise<Facts> {
  const [load, runc, runsc] = await Promise.all([
    readFile("/proc/loadavg", "utf8").catch(() => "unknown"),
    versionOf("runc"),
    versionOf("runsc"),
  ]);
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    cores: String(availableParallelism()),
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    kernel: release(),
    node: process.version,
    runc,
    runsc,
    "load before": load.split(" ").slice(0, 3).join(" "),
    rounds: String(run.rounds),
  };
}

async function versionOf(program: string): Promise<string> {
  const text = await ask(program, ["--version"]);
  return text?.split("\n")[0]?.replace(/^\w+ version /, "") ?? "none";
}
