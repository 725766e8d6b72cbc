import { Command } from "commander";
import type { ExecRequest, ExecResult } from "../api/records";
import type { CommandFactory } from "./command-factory";
import { formatJson } from "./format-table";
import { addNameValue } from "./name-value";
import { parseSeconds } from "./seconds";

const HELP = `
Prints what the command printed and ends with its exit code (255 where a signal or the timeout ended it). Ctrl-C ends
the command too. stdin is not passed on: the command finds it empty.
Options of exec stand before the sandbox; what follows it is the command, with or without -- in between.
One word alone is run by a shell; several are a program and its arguments, as they are.

Examples:
  $ pulumi-opencomputer exec sb-1a2b3c4d python3 --version
  $ pulumi-opencomputer exec sb-1a2b3c4d -- 'ls | wc -l'
  $ pulumi-opencomputer exec -e STAGE=test --cwd /workspace sb-1a2b3c4d -- npm test`;

interface ExecOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeout: number;
  readonly json?: boolean;
}

/** `exec`: one command in a sandbox. */
export const execCommand: CommandFactory = (terminal, done) =>
  new Command("exec")
    .description("run a command in a sandbox")
    .argument("<sandbox>", "id of a sandbox")
    .argument("<command...>", "the command and its arguments")
    .option("-e, --env <NAME=value>", "set a variable; may be given several times", addNameValue)
    .option("--cwd <path>", "where to start; default is the image's workdir")
    .option("--timeout <seconds>", "kill the command after so long; 0 is never", parseSeconds, 0)
    .option("--json", "print JSON: {exitCode, stdout, stderr}")
    .passThroughOptions()
    .addHelpText("after", HELP)
    .action(async (id: string, words: string[], options: ExecOptions, command: Command) => {
      const request = toRequest(words[0] === "--" ? words.slice(1) : words, options, command);
      const api = await terminal.open();
      const result = await api.exec(id, request, { signal: terminal.signal, attached: true });
      if (options.json) {
        terminal.print(formatJson(result));
      } else {
        terminal.write("stdout", result.stdout);
        terminal.write("stderr", result.stderr);
        if (result.truncated) terminal.note("note: the output was long; its beginning is left out");
        if (isTimedOut(result)) terminal.note(`error: the command was ended after ${options.timeout} s (--timeout)`);
      }
      done(result.exitCode & 0xff);
    });

function toRequest([cmd, ...args]: string[], { cwd, env = {}, timeout }: ExecOptions, command: Command): ExecRequest {
  if (cmd === undefined || cmd.startsWith("-")) {
    const found = JSON.stringify(cmd ?? "--");
    command.error(
      `error: no command; the first word after the sandbox is one, not ${found}; options of exec stand before the sandbox`,
    );
  }
  return { cmd, ...(args.length > 0 ? { args } : {}), envs: env, ...(cwd ? { cwd } : {}), timeout };
}

/** The wire has no field for it; the server says it in the last line. */
function isTimedOut({ exitCode, stderr }: ExecResult): boolean {
  return exitCode === -1 && stderr.endsWith("Process timed out\n");
}
