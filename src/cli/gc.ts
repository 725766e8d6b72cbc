import { Command } from "commander";
import { formatSize } from "../image/format-size";
import { formatJson } from "./format-table";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
Images that no snapshot names and no sandbox uses are built anew when they are asked for again.

Example:
  $ pulumi-opencomputer gc`;

/** `gc`: frees disk. */
export function gcCommand(terminal: Terminal): Command {
  return new Command("gc")
    .description("remove layers and files that nothing needs, and kept downloads")
    .option("--json", "print JSON: {layers, blobs, sizeBytes}")
    .addHelpText("after", HELP)
    .action(async (options: { json?: boolean }) => {
      const collected = await (await requireServer(terminal)).collect({ signal: terminal.signal });
      if (options.json) return terminal.print(formatJson(collected));
      const { layers, blobs, sizeBytes } = collected;
      terminal.print(`removed ${layers} layers and ${blobs} files, ${formatSize(sizeBytes)}`);
    });
}
