const REDRAW_MS = 1_000;
/** Without a terminal each sign of life is a line of its own, so they come less often. */
const LINE_MS = 10_000;
const ESC = "\u001b[";

/**
 * Tells the user something.
 *
 * @param {string} [line]
 */
export function say(line = "") {
  process.stdout.write(`${line}\n`);
}

/**
 * Does one step with its title, signs of life with the time that has passed, and an end.
 *
 * @template T
 * @param {string} title What is done and why.
 * @param {(detail: (line: string) => void) => Promise<T>} work Gets a function that shows what is happening now.
 * @returns {Promise<T>}
 */
export async function step(title, work) {
  const startedMs = performance.now();
  let detail = "";
  const isTerminal = Boolean(process.stdout.isTTY);
  const seconds = () => `${Math.round((performance.now() - startedMs) / 1000)} s`;
  const pulse = () => {
    const line = `  … ${seconds()}${detail && `  ${detail}`}`;
    if (isTerminal) process.stdout.write(`\r${ESC}2K${line.slice(0, (process.stdout.columns ?? 80) - 1)}`);
    else say(line);
  };
  say(`• ${title}`);
  const timer = setInterval(pulse, isTerminal ? REDRAW_MS : LINE_MS);
  const end = (/** @type {string} */ text) => {
    clearInterval(timer);
    say(`${isTerminal ? `\r${ESC}2K` : ""}  ${text} (${seconds()})`);
  };
  try {
    const result = await work((line) => {
      detail = line.trim();
    });
    end("✓ done");
    return result;
  } catch (error) {
    end("✗ failed");
    throw error;
  }
}
