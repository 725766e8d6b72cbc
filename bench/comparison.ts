import { type Figures, toFigures } from "./statistics";

/**
 * Measures several ways of doing one thing alternately, in one process and one run: on a noisy machine only the ratio
 * of neighbours means anything. Each round starts with another side, so that none always follows the same one.
 */
export interface Side {
  readonly name: string;
  /** What one measurement needs ready; its time does not count. */
  readonly prepare?: () => Promise<void>;
  /** Does it once and returns the milliseconds that count. */
  readonly measure: () => Promise<number>;
}

/** A side that gave no figures, and why. */
export interface Absence {
  readonly side: string;
  readonly why: string;
  /** True where it was tried and failed; false where what it needs is not on this machine. */
  readonly isFailure: boolean;
}

export interface Comparison {
  readonly figures: readonly Figures[];
  readonly absences: readonly Absence[];
}

export interface CompareOptions {
  readonly rounds: number;
  readonly signal: AbortSignal;
  /** Told before each round; 0 is the one that is not measured. */
  readonly onRound?: (round: number) => void;
}

/** Runs each side `rounds` times, after one unmeasured round. A side that fails is left out from then on, and is told. */
export async function compare(sides: readonly Side[], options: CompareOptions): Promise<Comparison> {
  const { rounds, signal, onRound } = options;
  const samples = new Map<Side, number[]>(sides.map((side) => [side, []]));
  const absences: Absence[] = [];
  for (let round = 0; round <= rounds; round++) {
    onRound?.(round);
    for (const side of rotated(sides, round)) {
      signal.throwIfAborted();
      const series = samples.get(side);
      if (!series) continue;
      const outcome = await measure(side).catch((error: unknown) => toAbsence(side.name, error));
      signal.throwIfAborted();
      if (typeof outcome === "number" && round > 0) series.push(outcome);
      if (typeof outcome === "number") continue;
      samples.delete(side);
      absences.push(outcome);
    }
  }
  return { figures: [...samples].map(([side, series]) => toFigures(side.name, series)), absences };
}

/** The milliseconds that something takes. */
export async function timed(act: () => unknown): Promise<number> {
  const startedMs = performance.now();
  await act();
  return performance.now() - startedMs;
}

/** Thrown where what a side needs is not on this machine. */
export class NotHere extends Error {}

/** A side that cannot be measured, and whether that is a failure. */
export function toAbsence(side: string, error: unknown): Absence {
  const why = error instanceof Error ? error.message : String(error);
  return { side, why, isFailure: !(error instanceof NotHere) };
}

async function measure(side: Side): Promise<number> {
  await side.prepare?.();
  return await side.measure();
}

function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const start = by % Math.max(1, items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}
