#!/usr/bin/env node
import { runProgram } from "./program";
import { createTerminal } from "./terminal";

// The first Ctrl-C ends what goes on and cleans up; the second one ends the program as usual.
const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort());
// Whoever reads has seen enough (`… | head`): not an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

void runProgram(process.argv.slice(2), createTerminal(interrupt.signal)).then((exitCode) => {
  process.exitCode = exitCode;
});
