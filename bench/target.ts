import { type Figures, roundTo } from "./statistics";

/** What a benchmark promises, as data. A target stands before it is measured and is not moved to a result. */
export type Target =
  /** The median of one side is at most so many times that of another. */
  | { readonly kind: "ratio"; readonly side: string; readonly over: string; readonly atMost: number }
  /** The median of one side is at most so much above that of another. */
  | { readonly kind: "margin"; readonly side: string; readonly over: string; readonly atMostMs: number }
  /** A number that is no series of times. */
  | { readonly kind: "most"; readonly quantity: string; readonly limit: number }
  | { readonly kind: "least"; readonly quantity: string; readonly limit: number };

/** Something that was counted or derived. */
export interface Quantity {
  readonly name: string;
  readonly value: number;
  /** For people: `MB`, `%`, `× BuildKit`. */
  readonly unit: string;
}

/** `unknown`: a side is missing. */
export type Verdict = "met" | "missed" | "unknown";

/** One row of the table. */
export interface Judgement {
  /** What is measured. */
  readonly what: string;
  /** What it came to, in words. */
  readonly measured: string;
  /** What was promised, in words. */
  readonly target: string;
  readonly verdict: Verdict;
}

export interface Measured {
  readonly figures: readonly Figures[];
  readonly quantities: readonly Quantity[];
}

/** Holds one target against what was measured. */
export function judge(target: Target, measured: Measured): Judgement {
  switch (target.kind) {
    case "ratio":
    case "margin":
      return judgePair(target, measured);
    case "most":
    case "least":
      return judgeQuantity(target, measured);
    default:
      return assertNever(target);
  }
}

function judgePair(target: Extract<Target, { over: string }>, { figures }: Measured): Judgement {
  const words = pairWords(target);
  const find = (name: string) => figures.find((one) => one.name === name);
  const [side, over] = [find(target.side), find(target.over)];
  if (!side || !over) return { what: target.side, measured: "not measured", target: words, verdict: "unknown" };
  if (target.kind === "ratio") {
    const ratio = side.p50 / over.p50;
    const measured = `${describeMs(side.p50)}, ${roundTo(ratio, 3)} × ${describeMs(over.p50)}`;
    return { what: target.side, measured, target: words, verdict: toVerdict(ratio <= target.atMost) };
  }
  const marginMs = side.p50 - over.p50;
  const measured = `${describeMs(side.p50)}, ${describeMs(marginMs)} more than ${describeMs(over.p50)}`;
  return { what: target.side, measured, target: words, verdict: toVerdict(marginMs <= target.atMostMs) };
}

function pairWords(target: Extract<Target, { over: string }>): string {
  return target.kind === "ratio"
    ? `at most ${target.atMost} × ${target.over}`
    : `at most ${describeMs(target.atMostMs)} more than ${target.over}`;
}

function judgeQuantity(target: Extract<Target, { quantity: string }>, { quantities }: Measured): Judgement {
  const found = quantities.find(({ name }) => name === target.quantity);
  const unit = found ? ` ${found.unit}` : "";
  const words = `at ${target.kind} ${target.limit}${unit}`;
  if (!found) return { what: target.quantity, measured: "not measured", target: words, verdict: "unknown" };
  const isMet = target.kind === "most" ? found.value <= target.limit : found.value >= target.limit;
  return { what: target.quantity, measured: `${found.value}${unit}`, target: words, verdict: toVerdict(isMet) };
}

/** `85 ms`, `1.24 s`. */
export function describeMs(ms: number): string {
  if (Math.abs(ms) >= 10_000) return `${roundTo(ms / 1000, 1)} s`;
  if (Math.abs(ms) >= 1_000) return `${roundTo(ms / 1000, 2)} s`;
  return `${roundTo(ms, Math.abs(ms) < 10 ? 1 : 0)} ms`;
}

function toVerdict(isMet: boolean): Verdict {
  return isMet ? "met" : "missed";
}

function assertNever(value: never): never {
  throw new Error(`no such target: ${JSON.stringify(value)}`);
}
