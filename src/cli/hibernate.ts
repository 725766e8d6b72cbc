import { Command } from "commander";
import type { HibernationInfo } from "../api/records";
import { formatSize } from "../image/format-size";
import { formatJson } from "./format-table";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
A hibernated sandbox takes no memory and no CPU. Its files are kept; its memory and processes where the server's runtime
can (see: status). It wakes by the next command or file call, or by: pulumi-opencomputer wake

Examples:
  $ pulumi-opencomputer hibernate sb-1a2b3c4d`;

/** `hibernate`: puts a sandbox to sleep. */
export function hibernateCommand(terminal: Terminal): Command {
  return new Command("hibernate")
    .description("stop a sandbox so that it can be woken")
    .argument("<sandbox>", "id of a sandbox")
    .option("--json", "print JSON: {sandboxID, status, kind?, sizeBytes?}")
    .addHelpText("after", HELP)
    .action(async (id: string, options: { json?: boolean }) => {
      const info = await (await requireServer(terminal)).hibernateSandbox(id, { signal: terminal.signal });
      terminal.print(options.json ? formatJson(info) : describe(info));
    });
}

function describe({ sandboxID, status, kind, sizeBytes }: HibernationInfo): string {
  const kept = { full: "files, memory and processes are kept", disk_only: "files are kept, processes have ended" };
  const size = sizeBytes === undefined ? "" : ` (${formatSize(sizeBytes)})`;
  return `${sandboxID} is ${status}${kind ? `; ${kept[kind]}` : ""}${size}`;
}
