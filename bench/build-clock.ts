import type { BuildLogEvent } from "../src/api/records";
import { percentile } from "./statistics";
import { describeMs } from "./target";

/** What takes less is not worth a word. */
const SHORTEST_MS = 1;

/** One stretch of a build: what comes before the steps, a step, or what comes after them. */
interface Stretch {
  readonly name: string;
  readonly startedMs: number;
}

/** Follows the log of one build: when each step began, and what its commands printed. */
export class BuildClock {
  readonly lines: string[] = [];
  private readonly stretches: Stretch[] = [{ name: "before the steps", startedMs: performance.now() }];
  private step = 0;
  private endedMs = Number.NaN;

  /** To be told of every line. */
  readonly onBuildLog = ({ step, type, message, stream }: BuildLogEvent): void => {
    if (stream !== undefined) this.lines.push(message);
    if (step <= this.step) return;
    this.step = step;
    this.stretches.push({
      name: type === "checkpoint" ? "after the steps" : `${step} ${type}`,
      startedMs: performance.now(),
    });
  };

  /** To be told of its end. */
  end(): void {
    this.endedMs = performance.now();
  }

  /** The milliseconds of each stretch, by its name. */
  times(): ReadonlyMap<string, number> {
    return new Map(
      this.stretches.map(({ name, startedMs }, index) => [
        name,
        (this.stretches[index + 1]?.startedMs ?? this.endedMs) - startedMs,
      ]),
    );
  }
}

/** Where the time of builds of one recipe goes, by the medians of their stretches, as their log came to us. */
export function describeBuilds(clocks: readonly BuildClock[]): string {
  const times = clocks.map((clock) => clock.times());
  const names = [...(times[0]?.keys() ?? [])];
  const median = (name: string) =>
    percentile(
      times.map((one) => one.get(name) ?? 0),
      0.5,
    );
  const long = names.filter((name) => median(name) >= SHORTEST_MS);
  return long.map((name) => `${name} ${describeMs(median(name))}`).join(", ");
}
