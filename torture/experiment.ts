import type { TortureRun } from "./torture-run";

/** What an experiment did and saw. All that is wrong is told in words; nothing wrong is an empty list. */
export interface Findings {
  /** How often each thing was done, by its name in the plural: `{ kills: 200, builds: 412 }`. */
  readonly counts: Readonly<Record<string, number>>;
  /** Acknowledged things that were not there afterwards, or not byte for byte. */
  readonly lost: readonly string[];
  /** What was left on the machine that belongs to nobody. */
  readonly leaked: readonly string[];
  /** Every other way in which the promise was not kept. */
  readonly broken: readonly string[];
}

/** A promise of the product and the attack on it. */
export interface Experiment {
  /** One word, as in `npm run torture -- NAME`. */
  readonly name: string;
  /** What is promised, in one sentence for docs/reliability.md. */
  readonly promise: string;
  /** How it is attacked and what would show that it does not hold, in one or two sentences. */
  readonly method: string;
  /** Its part of a long run's time, beside the others. */
  readonly share: number;
  /**
   * Attacks, and tells what came of it. Everything that is random comes from the run's seed, everything that is started
   * is deferred to the run, and every loop is bounded: by a count for `short`, by a count or {@link TortureRun.deadline}
   * for `long`.
   *
   * @throws what kept it from attacking; a promise that does not hold is a finding
   */
  readonly run: (run: TortureRun) => Promise<Findings>;
}

/** Whether everything held. */
export function isGreen({ lost, leaked, broken }: Findings): boolean {
  return lost.length + leaked.length + broken.length === 0;
}
