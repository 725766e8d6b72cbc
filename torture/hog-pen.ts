import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HOGS, type Hog } from "../test/fixtures/hogs";
import { homeCensus } from "../test/fixtures/home-census";
import { RealServer } from "../test/fixtures/real-server";
import type { TortureRun } from "./torture-run";

/** What a server with hogs in it may not do. */
const ANSWER_LIMIT_MS = 10_000;
/** Less than what hogs print; what a command may print is kept once as bytes, and then as text. */
const MAX_GROWTH_KB = 768 * 1024;
const HOG_MB = 256;
const CANARY = "nobody writes here";

/** How long things took, in milliseconds. */
export class Latencies {
  private readonly taken: number[] = [];

  add(ms: number): void {
    this.taken.push(ms);
  }

  addAll(others: Latencies): void {
    this.taken.push(...others.taken);
  }

  get count(): number {
    return this.taken.length;
  }

  /** The time that 99 of 100 did not exceed, as a whole number, at least 1. */
  get p99(): number {
    const sorted = [...this.taken].sort((one, other) => one - other);
    return Math.max(1, Math.round(sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 1));
  }
}

/** A real server on one runtime with a neighbour in it, and whatever hogs are put beside that. */
export class HogPen {
  readonly broken: string[] = [];
  readonly health = new Latencies();
  readonly alone = new Latencies();
  readonly beside = new Latencies();
  /** Beside many commands of one sandbox, which are as much work for the server as they are for the sandbox. */
  readonly besideCrowd = new Latencies();
  hogs = 0;
  private readonly besideEach = new Map<string, Latencies>();
  private readonly ids = new Set<string>();
  private readonly canary: string;
  private neighbour = "";
  private firstKb = 0;
  private mostKb = 0;

  private constructor(
    private readonly server: RealServer,
    dir: string,
  ) {
    this.canary = join(dir, "canary");
  }

  static async open(run: TortureRun, runtime: "runc" | "runsc"): Promise<HogPen> {
    const dir = join(run.dir, runtime);
    const server = new RealServer({ dir, runtime });
    run.defer(() => server.end("SIGTERM"));
    await server.start({ OPENCOMPUTER_DISK_MB: "512" });
    const pen = new HogPen(server, dir);
    writeFileSync(pen.canary, CANARY);
    pen.neighbour = await pen.create();
    await pen.exec(pen.neighbour, `echo '${CANARY}' > ~/canary`);
    pen.firstKb = pen.memoryKb();
    return pen;
  }

  /** Asks the neighbour so many times for a command; whatever it does not answer is broken. */
  async ask(times: number, latencies: Latencies, what: string): Promise<void> {
    for (let count = 0; count < times; count++) {
      const startedAt = performance.now();
      const { exitCode, error } = await this.exec(this.neighbour, "true").catch(() => ({
        exitCode: -2,
        error: "none",
      }));
      if (exitCode === 0) latencies.add(performance.now() - startedAt);
      else this.broken.push(`the neighbour answered ${exitCode ?? error} beside ${what}`);
      await this.checkServer(what);
    }
  }

  /** Lets hogs loose at once, asks the neighbour meanwhile, and deletes them. */
  async letLoose(hogs: readonly Hog[], asRoot: boolean, times: number): Promise<void> {
    const what = `${hogs.join(", ")} as ${asRoot ? "root" : "user"}`;
    const ids = await Promise.all(hogs.map(() => this.create()));
    const runs = ids.map((id, index) => this.feed(id, hogs[index] ?? "processor", asRoot));
    this.hogs += hogs.length;
    await sleep(500);
    const now = new Latencies();
    await this.ask(times, now, what);
    const earlier = this.besideEach.get(what) ?? new Latencies();
    this.besideEach.set(what, earlier);
    for (const all of [this.beside, earlier]) all.addAll(now);
    await Promise.all(ids.map((id) => this.delete(id, what)));
    await Promise.all(runs);
    await this.checkNeighbour(what);
  }

  /** Prints so many bytes through the server, and says whether all was well. */
  async flood(bytes: number): Promise<void> {
    const id = await this.create();
    const flood = this.exec(id, `head -c ${bytes} /dev/zero`, 300);
    let isOver = false;
    const over = flood.then(
      ({ exitCode }) => {
        isOver = true;
        if (exitCode !== 0) this.broken.push(`a flood of ${bytes} bytes ended with ${exitCode}`);
      },
      (error: Error) => {
        isOver = true;
        this.broken.push(`a flood of ${bytes} bytes ended with ${error.message}`);
      },
    );
    while (!isOver) await this.checkServer("a flood of output");
    await over;
    await this.delete(id, "a flood of output");
  }

  /** Many commands of one sandbox at the same time. */
  async crowd(commands: number): Promise<void> {
    const id = await this.create();
    const answers = Promise.all(Array.from({ length: commands }, () => this.exec(id, "sleep 1; echo here")));
    await this.ask(5, this.besideCrowd, `${commands} commands`);
    const wrong = (await answers).filter(({ stdout, error }) => stdout !== "here\n" && error === undefined);
    if (wrong.length > 0) this.broken.push(`${wrong.length} of ${commands} commands at once answered otherwise`);
    await this.delete(id, `${commands} commands`);
  }

  /** Ends all; what is left of it then. */
  async close(): Promise<string[]> {
    await this.delete(this.neighbour, "the end");
    await this.server.end("SIGTERM");
    return homeCensus(this.server.home, (name) => this.ids.has(name));
  }

  /** The hogs beside which the neighbour waited longest, with its p99. */
  get worst(): string {
    const worst = [...this.besideEach].sort(([, one], [, other]) => other.p99 - one.p99).slice(0, 3);
    return worst.map(([what, { p99 }]) => `${what} ${p99} ms`).join(", ");
  }

  /** How much memory the server took beyond what it began with, in MiB, at least 1. */
  get grownMB(): number {
    return Math.max(1, Math.round((this.mostKb - this.firstKb) / 1024));
  }

  private async create(): Promise<string> {
    const size = { memoryMB: HOG_MB, cpuCount: 1 };
    const answer = (await (await this.server.call("POST", "/sandboxes", size)).json()) as Record<string, unknown>;
    const id = String(answer["sandboxID"]);
    this.ids.add(id);
    return id;
  }

  private async delete(id: string, what: string): Promise<void> {
    const startedAt = performance.now();
    const { status } = await this.server.call("DELETE", `/sandboxes/${id}`);
    const took = performance.now() - startedAt;
    if (status !== 204) this.broken.push(`deleting a sandbox with ${what} answered ${status}`);
    if (took > ANSWER_LIMIT_MS) this.broken.push(`deleting a sandbox with ${what} took ${Math.round(took)} ms`);
  }

  private async feed(id: string, hog: Hog, asRoot: boolean): Promise<void> {
    const python = ["python3", "-c", HOGS[hog]];
    const [cmd = "", ...args] = asRoot ? ["sudo", "-n", ...python] : python;
    // However it ends: its sandbox is deleted under it.
    await this.server.call("POST", `/sandboxes/${id}/exec/run`, { cmd, args, timeout: 120 }).catch(() => undefined);
  }

  private async exec(id: string, script: string, timeout = 60): Promise<Readonly<Record<string, unknown>>> {
    const request = { cmd: "sh", args: ["-c", script], timeout };
    const answer = await this.server.call("POST", `/sandboxes/${id}/exec/run`, request);
    return (await answer.json()) as Readonly<Record<string, unknown>>;
  }

  private async checkServer(what: string): Promise<void> {
    const startedAt = performance.now();
    const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
    const isWell = await fetch(`${this.server.card.url}/health`, { signal }).then(
      async (answer) => (await answer.text()) !== "" && answer.ok,
      () => false,
    );
    if (isWell) this.health.add(performance.now() - startedAt);
    else this.broken.push(`the server did not answer beside ${what}`);
    this.mostKb = Math.max(this.mostKb, this.memoryKb());
    if (
      this.mostKb - this.firstKb > MAX_GROWTH_KB &&
      !this.broken.some((line) => line.startsWith("the server's memory"))
    )
      this.broken.push(`the server's memory grew by ${this.grownMB} MB beside ${what}`);
  }

  private async checkNeighbour(what: string): Promise<void> {
    const { stdout } = await this.exec(this.neighbour, "cat ~/canary");
    if (stdout !== `${CANARY}\n`) this.broken.push(`the neighbour's file is ${JSON.stringify(stdout)} after ${what}`);
    if (readFileSync(this.canary, "utf8") !== CANARY) this.broken.push(`a file of the host has changed after ${what}`);
  }

  private memoryKb(): number {
    const status = readFileSync(`/proc/${this.server.card.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  }
}
