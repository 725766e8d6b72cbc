import { Command, CommanderError } from "commander";
import { isOpenComputerError } from "../errors";
import { version } from "../version";
import { buildCommand } from "./build";
import { checkpointCommand } from "./checkpoint";
import { checkpointsCommand } from "./checkpoints";
import type { CommandFactory } from "./command-factory";
import { doctorCommand } from "./doctor";
import { execCommand } from "./exec";
import { forkCommand } from "./fork";
import { formatError, formatErrorJson } from "./format-error";
import { gcCommand } from "./gc";
import { hibernateCommand } from "./hibernate";
import { logsCommand } from "./logs";
import { lsCommand } from "./ls";
import { planCommand } from "./plan";
import { promoteCommand } from "./promote";
import { restoreCommand } from "./restore";
import { rmCommand } from "./rm";
import { serveCommand } from "./serve";
import { statusCommand } from "./status";
import { stopCommand } from "./stop";
import { tagCommand } from "./tag";
import { NOT_RUNNING, type Terminal } from "./terminal";
import { untagCommand } from "./untag";
import { versionsCommand } from "./versions";
import { wakeCommand } from "./wake";

const COMMANDS: readonly CommandFactory[] = [
  serveCommand,
  statusCommand,
  stopCommand,
  lsCommand,
  planCommand,
  buildCommand,
  logsCommand,
  versionsCommand,
  promoteCommand,
  tagCommand,
  untagCommand,
  execCommand,
  checkpointCommand,
  checkpointsCommand,
  restoreCommand,
  forkCommand,
  hibernateCommand,
  wakeCommand,
  rmCommand,
  gcCommand,
  doctorCommand,
];

const HELP = `
Environment:
  OPENCOMPUTER_API_URL   another server than the embedded one
  OPENCOMPUTER_API_KEY   its key; a key without a URL means the hosted service
  OPENCOMPUTER_HOME      the embedded server's folder

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the embedded server does not run, 130 interrupted; exec passes on the
command's own. With --json an error is JSON on stdout, too: {"error": {code, message, retryable, details}}.

Examples:
  $ pulumi-opencomputer build agent.ts --name agent
  $ pulumi-opencomputer ls
  $ pulumi-opencomputer exec sb-1a2b3c4d -- python3 --version`;

const USAGE_ERROR = 2;
const INTERRUPTED = 130;

/** Runs the command line and returns its exit code. Errors are printed, never thrown. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode = 0;
  let isJson = false;
  const program = createProgram(terminal, (code) => {
    exitCode = code;
  }).hook("preAction", (_program, command) => {
    isJson = command.opts()["json"] === true;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_ERROR;
    if (isJson) terminal.print(formatErrorJson(error));
    terminal.note(formatError(error, { verbose: program.opts()["verbose"] === true }));
    return toExitCode(error);
  }
}

function toExitCode(error: unknown): number {
  if (isOpenComputerError(error, "aborted")) return INTERRUPTED;
  return isOpenComputerError(error, "unavailable") && error.details["running"] === false ? NOT_RUNNING : 1;
}

function createProgram(terminal: Terminal, done: (exitCode: number) => void): Command {
  const program = new Command("pulumi-opencomputer")
    .description("Sandbox images for AI agents: builds them, runs them, shows them.")
    .version(version)
    .option("--verbose", "print stack traces and causes of errors")
    .showHelpAfterError("(add --help for usage)")
    // What follows a sandbox in exec belongs to the command that it runs.
    .enablePositionalOptions()
    .addHelpText("after", HELP);
  const commands = COMMANDS.map((create) => create(terminal, done));
  for (const command of [program, ...commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: (text) => terminal.note(text.trimEnd()),
    });
    if (command !== program) program.addCommand(command);
  }
  return program;
}
