import type { Command } from "commander";
import type { Terminal } from "./terminal";

/** Makes one command. `done` sets the exit code where it is not 0; errors are thrown. */
export type CommandFactory = (terminal: Terminal, done: (exitCode: number) => void) => Command;
