import { abortable } from "./abortable";

/** Who stands in a queue. */
export interface Waiter {
  /** Whose work it is: groups take turns, so that one that wants much does not keep the others waiting. */
  readonly group: string;
  /** True for work that nobody waits for: it has its turn when nobody else wants one. Default false. */
  readonly background?: boolean;
}

interface Entry extends Waiter {
  readonly start: () => void;
}

/**
 * Lets a few work at a time, so that many do not starve each other. The others wait: first come, first served within a
 * group, and one of each group after the other.
 */
export class FairQueue {
  private running = 0;
  /** Those who wait, by group; the group that is next comes first. */
  private readonly lines = new Map<string, Entry[]>();
  private readonly backgroundLines = new Map<string, Entry[]>();

  constructor(private readonly atOnce: number) {}

  /** How many turns are over before that of one who enters now has come; 0 is no wait. */
  countAhead(waiter: Waiter): number {
    return this.running < this.atOnce ? 0 : this.running + this.countBefore(waiter);
  }

  /**
   * Waits for a turn; call the answer when it is over, again is fine. Nothing else should be waited for in a turn but the
   * work itself, or those who dawdle hold up all others.
   *
   * @throws aborted, and the turn is the next one's
   */
  async enter(waiter: Waiter, signal: AbortSignal): Promise<() => void> {
    let start = () => {};
    const turn = new Promise<void>((resolve) => {
      start = resolve;
    });
    const entry: Entry = { ...waiter, start };
    if (this.running < this.atOnce) this.begin(entry);
    else this.line(entry);
    let left = false;
    const leave = () => {
      if (!left && !this.remove(entry)) this.passOn();
      left = true;
    };
    try {
      await abortable(turn, signal);
      return leave;
    } catch (error) {
      leave();
      throw error;
    }
  }

  private begin({ start }: Entry): void {
    this.running += 1;
    start();
  }

  private line(entry: Entry): void {
    const lines = this.linesOf(entry);
    lines.set(entry.group, [...(lines.get(entry.group) ?? []), entry]);
  }

  /** How many of those who wait have their turn before one who joins now. */
  private countBefore(waiter: Waiter): number {
    const lines = this.linesOf(waiter);
    const own = lines.get(waiter.group)?.length ?? 0;
    let count = waiter.background ? sizeOf(this.lines) + own : own;
    let isBefore = true;
    for (const [group, line] of lines) {
      if (group === waiter.group) isBefore = false;
      else count += Math.min(line.length, isBefore ? own + 1 : own);
    }
    return count;
  }

  private linesOf({ background }: Waiter): Map<string, Entry[]> {
    return background ? this.backgroundLines : this.lines;
  }

  /** False where it does not wait: its turn has come. */
  private remove(entry: Entry): boolean {
    const lines = this.linesOf(entry);
    const line = lines.get(entry.group) ?? [];
    const rest = line.filter((other) => other !== entry);
    if (rest.length > 0) lines.set(entry.group, rest);
    else lines.delete(entry.group);
    return rest.length < line.length;
  }

  /** A turn that ends goes to the next in line, so nobody who comes just then gets before them. */
  private passOn(): void {
    this.running -= 1;
    const next = takeNext(this.lines) ?? takeNext(this.backgroundLines);
    if (next) this.begin(next);
  }
}

function sizeOf(lines: ReadonlyMap<string, readonly Entry[]>): number {
  return [...lines.values()].reduce((sum, line) => sum + line.length, 0);
}

/** The first of the group that is next; the group then stands last. */
function takeNext(lines: Map<string, Entry[]>): Entry | undefined {
  const [next] = lines;
  if (next === undefined) return undefined;
  const [group, [first, ...rest]] = next;
  lines.delete(group);
  if (rest.length > 0) lines.set(group, rest);
  return first;
}
