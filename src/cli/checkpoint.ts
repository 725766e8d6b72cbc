import { Command } from "commander";
import type { CheckpointInfo } from "../api/records";
import { formatSize } from "../image/format-size";
import { waitForCheckpoint } from "../sdk/checkpoints";
import { formatJson } from "./format-table";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
The sandbox runs on. Files are kept; --full keeps memory and processes, too, where the server's runtime can (see: status).
Prints the name and the id; without --wait it may still be in the making. Start sandboxes from it with: fork

Examples:
  $ pulumi-opencomputer checkpoint sb-1a2b3c4d --name before-upgrade
  $ pulumi-opencomputer checkpoint sb-1a2b3c4d --name warmed-up --full --wait`;

/** Far beyond what the memory of a large machine takes to be written. */
const WAIT_TIMEOUT_MS = 3_600_000;

interface CheckpointOptions {
  readonly name: string;
  readonly full?: boolean;
  readonly wait?: boolean;
  readonly json?: boolean;
}

/** `checkpoint`: keeps what a sandbox is now. */
export function checkpointCommand(terminal: Terminal): Command {
  return new Command("checkpoint")
    .description("keep what a sandbox is now, to go back to or to start others from")
    .argument("<sandbox>", "id of a sandbox")
    .requiredOption("--name <name>", "its name, unique among those of the sandbox")
    .option("--full", "keep memory and processes, too")
    .option("--wait", "return when it is kept")
    .option("--json", "print JSON: the checkpoint")
    .addHelpText("after", HELP)
    .action(async (sandboxId: string, { name, full, wait, json }: CheckpointOptions) => {
      const { signal } = terminal;
      const api = await requireServer(terminal);
      const request = { name, kind: full ? "full" : "disk_only" } as const;
      const begun = await api.createCheckpoint(sandboxId, request, { signal });
      const info = wait
        ? await waitForCheckpoint(api, sandboxId, begun.id, { signal, timeoutMs: WAIT_TIMEOUT_MS })
        : begun;
      if (json) return terminal.print(formatJson(info));
      terminal.note(describe(info));
      terminal.print(`${info.name} ${info.id}`);
    });
}

function describe({ sandboxId, name, kind, status, sizeBytes }: CheckpointInfo): string {
  if (status === "ready") return `kept ${sandboxId}/${name} (${kind}, ${formatSize(sizeBytes)})`;
  return `${sandboxId}/${name} (${kind}) is being kept; see: pulumi-opencomputer checkpoints ${sandboxId}`;
}
