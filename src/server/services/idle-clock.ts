/** Node's timers cannot be set further ahead than this. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface IdleClockParts {
  /** The time of day, in which deadlines are told. */
  readonly now: () => number;
  /** Called once for a thing whose deadline passed; it is forgotten then. */
  readonly onExpired: (id: string) => void;
}

interface Watched {
  readonly timeoutMs: number;
  /** As it is told. */
  deadline: number;
  /** The same of a clock that nobody sets. */
  due: number;
}

/**
 * Watches when things have been idle for their timeout: one timer, set for the nearest deadline. A machine whose clock is
 * set ends nothing before its time and keeps nothing beyond it; time that it was suspended does not count.
 */
export class IdleClock {
  private readonly watched = new Map<string, Watched>();
  /** Uses under way; while a thing has any, it is not idle. */
  private readonly uses = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly parts: IdleClockParts) {}

  /** Watches a thing, from `deadline` (default: its whole timeout from now) on. */
  watch(id: string, timeoutMs: number, deadline = this.parts.now() + timeoutMs): number {
    this.watched.set(id, { timeoutMs, deadline, due: ticks() + Math.max(deadline - this.parts.now(), 0) });
    this.arm();
    return deadline;
  }

  forget(id: string): void {
    this.watched.delete(id);
    this.arm();
  }

  /** A use begins; call the answer when it is over. It says the new deadline, or undefined for what is not watched. */
  use(id: string): () => number | undefined {
    this.uses.set(id, (this.uses.get(id) ?? 0) + 1);
    let over = false;
    return () => {
      if (over) return undefined;
      over = true;
      this.endUse(id);
      const thing = this.watched.get(id);
      if (thing === undefined) return undefined;
      thing.deadline = this.parts.now() + thing.timeoutMs;
      thing.due = ticks() + thing.timeoutMs;
      this.arm();
      return thing.deadline;
    };
  }

  isUsed(id: string): boolean {
    return this.uses.has(id);
  }

  /** When it will expire as things stand; null is never. */
  deadlineOf(id: string): number | null {
    const thing = this.watched.get(id);
    if (thing === undefined) return null;
    return this.uses.has(id) ? this.parts.now() + thing.timeoutMs : thing.deadline;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.watched.clear();
  }

  private endUse(id: string): void {
    const left = (this.uses.get(id) ?? 1) - 1;
    if (left > 0) this.uses.set(id, left);
    else this.uses.delete(id);
  }

  private arm(): void {
    clearTimeout(this.timer);
    let nearest = Number.POSITIVE_INFINITY;
    for (const [id, thing] of this.watched) if (!this.uses.has(id)) nearest = Math.min(nearest, thing.due);
    if (nearest === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(Math.max(nearest - ticks(), 0), MAX_TIMER_MS);
    this.timer = setTimeout(() => this.expire(), delayMs);
    this.timer.unref();
  }

  private expire(): void {
    for (const [id, thing] of this.watched) {
      if (this.uses.has(id) || thing.due > ticks()) continue;
      this.watched.delete(id);
      this.parts.onExpired(id);
    }
    this.arm();
  }
}

function ticks(): number {
  return performance.now();
}
