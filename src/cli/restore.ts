import { Command } from "commander";
import { requireCheckpoint, toCheckpointRef } from "./checkpoint-ref";
import { formatJson } from "./format-table";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
The sandbox keeps its id. All that runs in it ends, and all that it wrote since is lost. What a full checkpoint kept of
memory and processes goes on where it was; after another one nothing runs but what the image starts.

Examples:
  $ pulumi-opencomputer restore sb-1a2b3c4d before-upgrade`;

/** `restore`: puts a sandbox back. */
export function restoreCommand(terminal: Terminal): Command {
  return new Command("restore")
    .description("put a sandbox back to one of its checkpoints")
    .argument("<sandbox>", "id of a sandbox")
    .argument("<checkpoint>", "name or id of one of its checkpoints")
    .option("--json", "print JSON: the sandbox")
    .addHelpText("after", HELP)
    .action(async (sandboxId: string, given: string, options: { json?: boolean }) => {
      const { signal } = terminal;
      // As `checkpoints` prints it, too.
      const ref = toCheckpointRef(given);
      const name = ref?.sandboxId === sandboxId ? ref.name : given;
      const api = await requireServer(terminal);
      const checkpoint = await requireCheckpoint(api, { sandboxId, name }, signal);
      const info = await api.restoreCheckpoint(sandboxId, checkpoint.id, { signal });
      terminal.print(options.json ? formatJson(info) : `${sandboxId} is back at ${checkpoint.name}`);
    });
}
