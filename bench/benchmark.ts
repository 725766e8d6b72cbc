import type { BenchRun } from "./bench-run";
import type { Absence } from "./comparison";
import type { Figures } from "./statistics";
import type { Quantity, Target } from "./target";

/** One question, what it takes to ask it, and what the answer is promised to be. */
export interface Benchmark {
  /** As on the command line, and as its file is called. */
  readonly name: string;
  /** One sentence. */
  readonly question: string;
  /** How often each side is measured. quick: enough to see that it works. */
  readonly rounds: { readonly full: number; readonly quick: number };
  /** Programs that only this comparison needs; they are fetched before it starts, where they can be had. */
  readonly rivals: readonly Rival[];
  readonly targets: readonly Target[];
  readonly run: (run: BenchRun) => Promise<Outcome>;
}

export type Rival = "buildkit" | "docker";

/** What a benchmark found. */
export interface Outcome {
  readonly figures: readonly Figures[];
  readonly absences?: readonly Absence[];
  readonly quantities?: readonly Quantity[];
  /** Facts that only this benchmark has, such as the version of what it is compared with. */
  readonly facts?: Readonly<Record<string, string>>;
  /** Where the time goes, measured: shown beside a target that is missed. */
  readonly notes?: readonly Note[];
}

/** A remark about one side or quantity. */
export interface Note {
  readonly about: string;
  readonly text: string;
}
