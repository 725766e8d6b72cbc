import { Command, InvalidArgumentError } from "commander";
import { formatBuildLog } from "./build-log";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
Follows the build until it is over; exit code 1 where it failed.

Examples:
  $ pulumi-opencomputer logs agent
  $ pulumi-opencomputer logs agent --from 120 --json`;

/** `logs`: a snapshot's build, past or live. */
export function logsCommand(terminal: Terminal): Command {
  return new Command("logs")
    .description("print the build log of a snapshot, live while it is built")
    .argument("<snapshot>", "name of a snapshot")
    .option("--from <n>", "pass over the first N lines", parseCount, 0)
    .option("--json", "print one JSON object a line: {step, type, message, stream?}")
    .addHelpText("after", HELP)
    .action(async (name: string, options: { from: number; json?: boolean }) => {
      const api = await requireServer(terminal);
      await api.followSnapshotLog(name, {
        from: options.from,
        signal: terminal.signal,
        onBuildLog: (event) => terminal.print(options.json ? JSON.stringify(event) : formatBuildLog(event)),
      });
    });
}

function parseCount(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number, 0 or more.");
}
