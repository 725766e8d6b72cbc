/** A progress line at most this often. */
const INTERVAL_MS = 3_000;

const PHASES: readonly { readonly pattern: RegExp; readonly phase: string }[] = [
  { pattern: /^Get:\d+( \S+){6} \[/, phase: "downloading packages" },
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
  let counts = new Map<string, number>();
  let shownMs = nowMs();
  return (line) => {
    const planned = /(\d+) newly installed/.exec(line);
    if (planned) {
      // The smallest system comes first, the rest after it: each is a round of its own.
      total = Number(planned[1]);
      counts = new Map();
    }
    const phase = PHASES.find(({ pattern }) => pattern.test(line))?.phase;
    if (phase === undefined) return;
    const count = (counts.get(phase) ?? 0) + 1;
    counts.set(phase, count);
    if (nowMs() - shownMs < INTERVAL_MS) return;
    shownMs = nowMs();
    onProgress(`base: ${phase} (${count}/${total})`);
  };
}
