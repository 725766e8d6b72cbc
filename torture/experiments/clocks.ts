import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ServerApi } from "../../src/api/contract";
import { createClient } from "../../src/client/client";
import { packageRoot } from "../../src/client/package-root";
import { Image } from "../../src/image/image";
import { homeCensus } from "../../test/fixtures/home-census";
import { RealServer, untilTrue } from "../../test/fixtures/real-server";
import type { Experiment } from "../experiment";
import type { TortureRun } from "../torture-run";

const PRELOAD = join(packageRoot(), "dist", "torture", "set-clock.js");
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const JUMPS_MS = [MINUTE_MS, 90 * MINUTE_MS, 2 * DAY_MS, 400 * DAY_MS] as const;
/** How long a sandbox may stay up that should have gone to sleep, on a machine that has other things to do. */
const LATE_MS = 20_000;
const IDLE_SECONDS = 3;

/** `clocks`: the time of day is set while the server works. */
export const clocks: Experiment = {
  name: "clocks",
  promise:
    "A clock that is set, forwards or backwards, ends no sandbox before its time and keeps none beyond it, fails no build and no upload, and makes no old version of a snapshot the current one or the one that is kept.",
  method:
    "The server's time of day (not that of its disk) jumps by a minute to more than a year, both ways, while images are built, uploaded and collected, versions follow each other, sandboxes are idle or in use, and between its death and its next start. Sandboxes with a long and a short idle timeout, the versions and their contents tell of it.",
  share: 1,
  async run(run) {
    const site = await ClockSite.open(run);
    for (let round = 0; round === 0 || (run.size === "long" && Date.now() < run.deadline); round += 1) {
      for (const direction of [1, -1]) await site.attack(`${round}-${direction > 0 ? "on" : "back"}`, direction);
      run.say(`${site.counts["jumps of the clock"]} jumps of the clock`);
    }
    return await site.close();
  },
};

class ClockSite {
  readonly counts = { "jumps of the clock": 0, "builds and uploads": 0, "idle sandboxes": 0, restarts: 0 };
  private readonly broken: string[] = [];
  private offsetMs = 0;

  private constructor(
    private readonly run: TortureRun,
    private readonly server: RealServer,
  ) {}

  static async open(run: TortureRun): Promise<ClockSite> {
    const site = new ClockSite(run, new RealServer({ dir: run.dir, runtime: "runc" }));
    run.defer(() => site.server.end("SIGKILL"));
    site.set(0);
    await site.start();
    return site;
  }

  async attack(name: string, direction: number): Promise<void> {
    await this.step(name, () => this.buildAcross(name, direction));
    await this.step(name, () => this.followVersions(name, direction));
    await this.step(name, () => this.idleAcross(direction));
    await this.step(name, () => this.restartAcross(name, direction));
  }

  async close() {
    const { api, server } = this;
    for (const { sandboxID } of await api.listSandboxes()) await api.killSandbox(sandboxID);
    for (const { name } of await api.listSnapshots()) await api.deleteSnapshot(name);
    await api.collect();
    await server.end("SIGTERM");
    return { counts: this.counts, lost: [], leaked: homeCensus(server.home), broken: this.broken };
  }

  /** The clock jumps while a file is uploaded or a step runs, and somebody collects. */
  private async buildAcross(name: string, direction: number): Promise<void> {
    const content = `kept ${name}\n`;
    const image = Image.base().runCommands(`: ${name}`, "sleep 0.5").addFile("/kept", content);
    const collect = async () => {
      await sleep(this.run.between(0, 700));
      this.jump(direction);
      await this.api.collect();
    };
    await Promise.all([this.api.createSnapshot({ name, image: image.resolve() }), collect()]);
    this.counts["builds and uploads"] += 1;
    this.jump(direction);
    const { sandboxID } = await this.api.createSandbox({ snapshot: name, timeout: 0 });
    await this.expectText(sandboxID, "/kept", content);
    await this.api.killSandbox(sandboxID);
  }

  /** Of three versions, the last one is current and the one before is kept, wherever the clock was. */
  private async followVersions(name: string, direction: number): Promise<void> {
    const of = `versions-${name}`;
    for (const text of ["one", "two", "three"]) {
      const image = Image.base().runCommands(`echo ${name} ${text} > /text`).resolve();
      await this.api.createSnapshot({ name: of, image, ifExists: "version", retention: { keepLast: 1 } });
      this.counts["builds and uploads"] += 1;
      this.jump(direction);
    }
    const versions = (await this.api.listSnapshotVersions(of)).map(({ version, current }) => `${version} ${current}`);
    this.expect(versions.join(), "3 true,2 false", `versions of ${of}`);
    const { sandboxID } = await this.api.createSandbox({ snapshot: of, timeout: 0 });
    this.jump(direction);
    const users = await this.api.snapshotUsage(of);
    this.expect(JSON.stringify(users).includes(sandboxID), true, `${of} knows who uses it`);
    await this.expectText(sandboxID, "/text", `${name} three\n`);
    await this.api.killSandbox(sandboxID);
  }

  /** One has hours left and one seconds; the clock jumps over both deadlines, or far back. */
  private async idleAcross(direction: number): Promise<void> {
    const create = (timeout: number) => this.api.createSandbox({ image: Image.base().resolve(), timeout });
    const long = await create(3600);
    const startedAt = performance.now();
    const short = await create(IDLE_SECONDS);
    const command = this.server.exec(long.sandboxID, "sleep 1; echo done");
    this.jump(direction);
    const isAsleep = async (id: string) => (await this.api.getSandbox(id)).status !== "running";
    await untilTrue(IDLE_SECONDS * 1000 + LATE_MS, () => isAsleep(short.sandboxID)).catch(() =>
      this.broken.push(`a sandbox that should sleep after ${IDLE_SECONDS} s of idleness does not`),
    );
    const afterMs = performance.now() - startedAt;
    if (afterMs < IDLE_SECONDS * 1000 - 500) this.broken.push(`a sandbox fell asleep after ${Math.round(afterMs)} ms`);
    this.expect((await command)["stdout"], "done\n", "a command that ran meanwhile");
    this.expect((await this.api.getSandbox(long.sandboxID)).status, "running", "one with an hour left");
    this.counts["idle sandboxes"] += 2;
    for (const { sandboxID } of [long, short]) await this.api.killSandbox(sandboxID);
  }

  /** Nobody knows how long a server was away but by the clock: a sandbox may sleep then, and wakes with its files. */
  private async restartAcross(name: string, direction: number): Promise<void> {
    const { sandboxID } = await this.api.createSandbox({ image: Image.base().resolve(), timeout: 3600 });
    await this.api.writeFile(sandboxID, "/home/sandbox/mine", `mine ${name}\n`);
    await this.server.end("SIGKILL");
    this.jump(direction);
    await this.start();
    this.counts.restarts += 1;
    if (direction < 0)
      this.expect((await this.api.getSandbox(sandboxID)).status, "running", "after a restart, earlier");
    const { endAt } = await this.api.getSandbox(sandboxID);
    // One that sleeps has no end.
    const leftMs = endAt ? Date.parse(endAt) - this.now() : direction > 0 ? 0 : Number.NaN;
    if (!(leftMs <= 3_601_000))
      this.broken.push(`after a restart a sandbox has ${Math.round(leftMs / 1000)} s left of 3600`);
    await this.expectText(sandboxID, "/home/sandbox/mine", `mine ${name}\n`);
    await this.api.killSandbox(sandboxID);
  }

  /** What fails is a finding, and the rest is attacked all the same. */
  private async step(name: string, attack: () => Promise<void>): Promise<void> {
    this.run.signal.throwIfAborted();
    await attack().catch((error: Error) => this.broken.push(`${name}: ${error.message}`));
  }

  private async expectText(id: string, path: string, content: string): Promise<void> {
    this.expect((await this.server.exec(id, `cat ${path}`))["stdout"], content, path);
  }

  private expect(actual: unknown, expected: unknown, what: string): void {
    if (actual !== expected)
      this.broken.push(`${what}: ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
  }

  private get api(): ServerApi {
    const { url, apiKey } = this.server.card;
    return createClient({ apiUrl: url, apiKey });
  }

  private start(): Promise<void> {
    return this.server.start({
      NODE_OPTIONS: `${process.env["NODE_OPTIONS"] ?? ""} --require "${PRELOAD}"`,
      OPENCOMPUTER_TORTURE_CLOCK: this.file,
    });
  }

  private get file(): string {
    return join(this.run.dir, "clock");
  }

  private now(): number {
    return Date.now() + this.offsetMs;
  }

  private jump(direction: number): void {
    this.set(this.offsetMs + direction * this.run.pick(JUMPS_MS));
    this.counts["jumps of the clock"] += 1;
  }

  private set(offsetMs: number): void {
    this.offsetMs = offsetMs;
    // Never read half written.
    writeFileSync(`${this.file}.new`, String(offsetMs));
    renameSync(`${this.file}.new`, this.file);
  }
}
