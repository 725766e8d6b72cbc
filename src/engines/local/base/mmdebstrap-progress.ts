/** A progress line at most this often, but for a change of phase. */
const INTERVAL_MS = 3_000;

const PHASES: readonly { readonly pattern: RegExp; readonly phase: string }[] = [
  { pattern: /^Get:\d+ \S+ \S+ \S+ \S+ \S+ \[/, phase: "downloading packages" },
  { pattern: /^Unpacking \S+/, phase: "unpacking packages" },
  { pattern: /^Setting up \S+/, phase: "setting up packages" },
];

/**
 * Condenses the thousands of lines that mmdebstrap prints into a few: `base: unpacking packages (210/640)`.
 *
 * @param nowMs a clock, so that a test can bring its own
 * @returns what takes mmdebstrap's lines one by one
 */
export function condenseMmdebstrap(onProgress: (line: string) => void, nowMs: () => number): (line: string) => void {
  let total = 0;
  let phase = "";
  let count = 0;
  let shownMs = Number.NEGATIVE_INFINITY;
  return (line) => {
    const planned = /(\d+) newly installed/.exec(line);
    if (planned) total = Number(planned[1]);
    const found = PHASES.find(({ pattern }) => pattern.test(line));
    // The smallest system comes first, the rest after it: each is a round of its own, with its own total.
    if (planned || (found && found.phase !== phase)) count = 0;
    if (!found) return;
    const changed = found.phase !== phase;
    phase = found.phase;
    count += 1;
    if (changed && nowMs() - shownMs < INTERVAL_MS / 3) return;
    if (!changed && nowMs() - shownMs < INTERVAL_MS) return;
    shownMs = nowMs();
    onProgress(`base: ${phase} (${Math.min(count, total)}/${total})`);
  };
}
