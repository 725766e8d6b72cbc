import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { prepareBase } from "../../src/engines/local/base/prepare-base";
import { isOpenComputerError } from "../../src/errors";
import { Canary, escaped } from "../../test/fixtures/canary";
import { GOOD, reachingEntries } from "../../test/fixtures/evil-tars";
import { type TarEntry, toTar } from "../../test/fixtures/tar-writer";
import type { Experiment } from "../experiment";
import type { TortureRun } from "../torture-run";

const ARCHIVES = { short: 10, long: 400 } as const;
const IMAGES = { short: 3, long: 60 } as const;
const MOST_ATTACKS = 12;

/** `archives`: what a base is made of stays in the base. */
export const archives: Experiment = {
  name: "archives",
  promise:
    "An archive or an image that somebody else has made becomes a base or is refused in words; nothing outside of it changes.",
  method:
    "Bases are made of archives, and of images in layers, with entries that climb, links and hard links to the host, entries that go through them, whiteouts, devices, set-user-id, other names in extended headers, cut off anywhere or with bytes that flipped; a canary beside them, root's directories and what is left behind tell of it.",
  share: 1,
  async run(run) {
    const canary = new Canary(join(run.dir, "canary"));
    const attack = new ArchiveAttack(run, canary);
    const isOver = () => run.size === "long" && (Date.now() > run.deadline || run.signal.aborted);
    for (let n = 0; n < ARCHIVES[run.size] && !isOver(); n++) await attack.archive();
    for (let n = 0; n < IMAGES[run.size] && !isOver(); n++) await attack.image();
    const { counts, broken } = attack;
    return { counts, lost: [], leaked: [...canary.changes(), ...escaped()], broken };
  },
};

class ArchiveAttack {
  readonly counts = { archives: 0, "images in layers": 0, "evil entries": 0, bases: 0, refusals: 0 };
  readonly broken: string[] = [];
  private made = 0;

  constructor(
    private readonly run: TortureRun,
    private readonly canary: Canary,
  ) {}

  /** Of evil entries in any order, packed or not, whole or damaged. */
  async archive(): Promise<void> {
    const plain = toTar([...GOOD, ...this.entries(), ...this.entries()]);
    const bytes = this.damaged(this.run.random() < 0.5 ? gzipSync(plain) : plain);
    this.counts.archives += 1;
    await this.prepare(`tar:${this.keep(bytes)}`);
  }

  /** Some layers over a good one. */
  async image(): Promise<void> {
    const layout = join(this.run.dir, `layout-${this.made}`);
    const umoci = (...args: string[]) => execFileSync("umoci", args, { stdio: "pipe" });
    umoci("init", "--layout", layout);
    umoci("new", "--image", `${layout}:evil`);
    const layers = Array.from({ length: this.run.between(1, 4) }, () => this.entries());
    for (const entries of [GOOD, ...layers]) {
      umoci("raw", "add-layer", "--image", `${layout}:evil`, this.keep(toTar(entries)));
    }
    this.counts["images in layers"] += 1;
    await this.prepare(`oci:oci:${layout}:evil`);
  }

  private entries(): TarEntry[] {
    const all = reachingEntries(this.canary.dir);
    const chosen = Array.from(
      { length: this.run.between(1, MOST_ATTACKS) },
      () => all[this.run.between(0, all.length - 1)],
    );
    const entries = chosen.flatMap((group) => group ?? []);
    this.counts["evil entries"] += entries.length;
    return entries;
  }

  /** Most are whole. */
  private damaged(bytes: Buffer): Buffer {
    const kind = this.run.between(0, 5);
    if (kind === 0) return bytes.subarray(0, this.run.between(1, bytes.length));
    if (kind === 1)
      for (let n = 0; n < 10; n++) bytes[this.run.between(0, bytes.length - 1)] = this.run.between(0, 255);
    return bytes;
  }

  private keep(bytes: Buffer): string {
    this.made += 1;
    const path = join(this.run.dir, `${this.made}.tar`);
    writeFileSync(path, bytes);
    return path;
  }

  private async prepare(source: string): Promise<void> {
    const cacheDir = join(this.run.dir, "cache", String(this.made));
    mkdirSync(cacheDir, { recursive: true });
    const { signal } = this.run;
    try {
      await prepareBase({ source, cacheDir, hostEnv: process.env, onProgress: () => undefined, signal });
      this.counts.bases += 1;
    } catch (error) {
      this.counts.refusals += 1;
      if (!isOpenComputerError(error, "invalid_input")) this.broken.push(`${source}: ${String(error)}`);
    }
  }
}
