import { Command } from "commander";
import { CHECKPOINT_COLUMNS } from "./checkpoint-columns";
import { formatJson, formatList } from "./format-table";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
Checkpoints outlive their sandbox; those of all sandboxes are shown by: pulumi-opencomputer ls --checkpoints

Examples:
  $ pulumi-opencomputer checkpoints sb-1a2b3c4d
  $ pulumi-opencomputer checkpoints sb-1a2b3c4d --json | jq -r '.[] | select(.status == "ready") | .id'`;

/** `checkpoints`: what of a sandbox was kept. */
export function checkpointsCommand(terminal: Terminal): Command {
  return new Command("checkpoints")
    .description("list the checkpoints of a sandbox, newest first")
    .argument("<sandbox>", "id of a sandbox, also of one that is gone")
    .option("--json", "print JSON: the checkpoints as a list")
    .addHelpText("after", HELP)
    .action(async (sandboxId: string, options: { json?: boolean }) => {
      const all = await (await requireServer(terminal)).listCheckpoints(sandboxId, { signal: terminal.signal });
      terminal.print(options.json ? formatJson(all) : formatList(all, CHECKPOINT_COLUMNS));
    });
}
