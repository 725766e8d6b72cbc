import { Command } from "commander";
import { toShortHash } from "./format-cell";
import { formatJson } from "./format-table";
import { parseVersionRef } from "./snapshot-ref";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
A rollback promotes an older version. Nothing is built, and running sandboxes stay on the version that they started from.

Examples:
  $ pulumi-opencomputer promote agent@3
  $ pulumi-opencomputer promote agent:stable`;

/** `promote`: what the bare name means from now on. */
export function promoteCommand(terminal: Terminal): Command {
  return new Command("promote")
    .description("make a version of a snapshot the current one, at once")
    .argument("<version>", "NAME@VERSION, NAME@CONTENT_HASH or NAME:TAG", parseVersionRef)
    .option("--json", "print JSON: the version")
    .addHelpText("after", HELP)
    .action(async (ref: string, options: { json?: boolean }) => {
      const info = await (await requireServer(terminal)).promoteSnapshot(ref, { signal: terminal.signal });
      if (options.json) return terminal.print(formatJson(info));
      terminal.print(`${info.name} is version ${info.version} now (${toShortHash(info.contentHash)})`);
    });
}
