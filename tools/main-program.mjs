import { catchSignals, Interruption, interrupted } from "./interruption.mjs";

/**
 * Runs a tool to its end: signals end it cleanly, an error ends it with its message instead of a stack.
 *
 * @param {() => Promise<number>} program Returns the exit code.
 */
export async function runProgram(program) {
  catchSignals();
  process.exitCode = await program().catch(report);
}

/** @param {unknown} error */
function report(error) {
  if (interrupted.aborted || error instanceof Interruption) {
    process.stderr.write("\nStopped. What is fetched and built so far is kept; run the same command again to go on.\n");
    return 130;
  }
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
}
