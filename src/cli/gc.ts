import { Command } from "commander";
import { formatSize } from "../image/format-size";
import { formatJson } from "./format-table";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
Images that no snapshot names and no sandbox uses are built anew when they are asked for again.

Examples:
  $ pulumi-opencomputer gc
  $ pulumi-opencomputer gc --verify`;

/** `gc`: frees disk. */
export function gcCommand(terminal: Terminal): Command {
  return new Command("gc")
    .description("remove layers and files that nothing needs, and kept downloads")
    .option("--verify", "read every layer first, and put aside what is damaged; takes as long as there are bytes")
    .option("--json", "print JSON: {layers, blobs, sizeBytes, damaged?}")
    .addHelpText("after", HELP)
    .action(async ({ verify = false, ...options }: { json?: boolean; verify?: boolean }) => {
      const collected = await (await requireServer(terminal)).collect({ verify, signal: terminal.signal });
      if (options.json) return terminal.print(formatJson(collected));
      const { layers, blobs, sizeBytes, damaged = [] } = collected;
      for (const { key, problem } of damaged) terminal.print(`layer ${key.slice(0, 12)} was damaged: ${problem}`);
      terminal.print(`removed ${layers} layers and ${blobs} files, ${formatSize(sizeBytes)}`);
    });
}
