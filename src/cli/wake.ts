import { Command } from "commander";
import { formatJson } from "./format-table";
import { parseWholeSeconds } from "./seconds";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
Commands and file calls wake a sandbox by themselves; this does it ahead of them.

Examples:
  $ pulumi-opencomputer wake sb-1a2b3c4d
  $ pulumi-opencomputer wake sb-1a2b3c4d --timeout 600`;

/** `wake`: brings a hibernated sandbox back. */
export function wakeCommand(terminal: Terminal): Command {
  return new Command("wake")
    .description("bring a hibernated sandbox back")
    .argument("<sandbox>", "id of a sandbox")
    .option(
      "--timeout <seconds>",
      "hibernate it again when idle for so long; 0 is never; default: as before",
      parseWholeSeconds,
    )
    .option("--json", "print JSON: the sandbox")
    .addHelpText("after", HELP)
    .action(async (id: string, options: { timeout?: number; json?: boolean }) => {
      const info = await (await requireServer(terminal)).wakeSandbox(id, options.timeout, { signal: terminal.signal });
      terminal.print(options.json ? formatJson(info) : `${info.sandboxID} is ${info.status}`);
    });
}
