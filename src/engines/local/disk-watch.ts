import { setTimeout as sleep } from "node:timers/promises";
import { breachOf, type DiskUsage, toMB } from "./disk-quota";
import { type DiskRoom, type DiskSpace, type Shortage, shortageOf } from "./disk-space";

/** Somebody who writes to the disk and has a quota. */
export interface DiskUser {
  /** The directory of its container. */
  readonly dir: string;
  readonly quotaMB: number;
  /** Ends it. The reason is to be read after a subject: `was over its disk quota of …`. */
  end(reason: string): Promise<void>;
}

export interface DiskWatchParts {
  readonly space: Pick<DiskSpace, "room">;
  /** All who may write now. */
  readonly users: () => Promise<readonly DiskUser[]>;
  readonly measure: (dir: string) => Promise<DiskUsage | null>;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

/** How often the file system is asked for its room, which costs nothing. */
const LOOK_MS = 1_000;
/** How often everybody's files are summed where anything was written. */
export const ROUND_MS = 5_000;
/** However slow walks are, and though the room is the same, because some write what others delete. */
const LONGEST_PAUSE_MS = 60_000;
/** So much is written within a second only by somebody who wants to fill the disk: no waiting then. */
const BURST_BYTES = 256 * 1024 ** 2;
/** Less than this is logs and databases of the machine. */
const NOTICED: DiskUsage = { bytes: 1024 ** 2, files: 64 };

interface Measured {
  readonly user: DiskUser;
  readonly usage: DiskUsage;
  /** Since the round before; nothing where it is new. */
  readonly grown: DiskUsage;
}

/**
 * Keeps who writes to the disk to its quota, where no file system does: sums what each takes and ends those that are over.
 * Where the disk is nearly full all the same, whoever has just written the most is ended, so that the server and all others
 * go on. Not by the moment: between two looks a disk takes what it can.
 */
export class DiskWatch {
  private readonly stopped = new AbortController();
  private readonly ending = new Set<string>();
  private known: ReadonlyMap<string, DiskUsage> = new Map();
  private last: { readonly at: number; readonly tookMs: number; readonly room: DiskRoom } | undefined;

  constructor(private readonly parts: DiskWatchParts) {}

  /** Looks again and again until {@link close}. */
  async run(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      // What cannot be told now, because something is just going, can be a second later.
      await this.look().catch(() => undefined);
      await sleep(LOOK_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  close(): void {
    this.stopped.abort();
  }

  /** One look, and a round where it is time for one. */
  async look(): Promise<void> {
    const room = await this.parts.space.room();
    if (!this.isDue(room)) return;
    const startedAt = this.parts.now();
    const measured = await this.measureAll();
    const isEnded = this.endThoseOver(measured);
    const shortage = shortageOf(room);
    if (!isEnded && shortage !== null) this.endGreediest(measured, shortage, room);
    const at = this.parts.now();
    this.last = { at, tookMs: at - startedAt, room };
  }

  private isDue(room: DiskRoom): boolean {
    if (!this.last) return true;
    const { at, tookMs, room: before } = this.last;
    const { bytes, files } = lostBetween(before, room);
    const isWritten = bytes >= NOTICED.bytes || files >= NOTICED.files;
    if (bytes >= BURST_BYTES || (isWritten && shortageOf(room) !== null)) return true;
    const isChanged = isWritten || -bytes >= NOTICED.bytes || -files >= NOTICED.files;
    // Walks take a tenth of one core at most.
    const pauseMs = isChanged ? Math.min(Math.max(ROUND_MS, tookMs * 10), LONGEST_PAUSE_MS) : LONGEST_PAUSE_MS;
    return this.parts.now() - at >= pauseMs;
  }

  private async measureAll(): Promise<Measured[]> {
    const all: Measured[] = [];
    for (const user of await this.parts.users()) {
      const usage = this.ending.has(user.dir) ? null : await this.parts.measure(user.dir);
      if (usage === null) continue;
      const before = this.known.get(user.dir) ?? usage;
      all.push({ user, usage, grown: { bytes: usage.bytes - before.bytes, files: usage.files - before.files } });
    }
    this.known = new Map(all.map(({ user, usage }) => [user.dir, usage]));
    return all;
  }

  private endThoseOver(measured: readonly Measured[]): boolean {
    const over = measured.flatMap(({ user, usage }) => {
      const reason = breachOf(usage, user.quotaMB);
      return reason === null ? [] : [() => this.end(user, reason)];
    });
    for (const end of over) end();
    return over.length > 0;
  }

  /** Nobody where it is not them who fill the disk. */
  private endGreediest(measured: readonly Measured[], { of, left }: Shortage, room: DiskRoom): void {
    const lost = this.last ? lostBetween(this.last.room, room)[of] : 0;
    const grown = measured.reduce((sum, one) => sum + Math.max(0, one.grown[of]), 0);
    const [greediest] = [...measured].sort((one, other) => other.grown[of] - one.grown[of]);
    if (!greediest || greediest.grown[of] < NOTICED[of] || grown < lost / 2) return;
    const wrote = of === "bytes" ? `${toMB(greediest.grown.bytes)} MB` : `${greediest.grown.files} files`;
    this.end(greediest.user, `wrote ${wrote}, the most of all, when the disk of its machine had only ${left} left`);
  }

  /** Others are watched meanwhile: one that is just being checkpointed ends after that. */
  private end(user: DiskUser, reason: string): void {
    this.ending.add(user.dir);
    user
      .end(reason)
      .catch(() => undefined)
      .finally(() => this.ending.delete(user.dir));
  }
}

function lostBetween(before: DiskRoom, after: DiskRoom): DiskUsage {
  return { bytes: before.freeBytes - after.freeBytes, files: before.freeFiles - after.freeFiles };
}
