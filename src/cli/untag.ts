import { Command } from "commander";
import { formatJson } from "./format-table";
import { parseName, parseTag } from "./snapshot-ref";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
The version itself stays while it is the current one or the snapshot's retention keeps it. A tag that is gone is fine.

Example:
  $ pulumi-opencomputer untag agent stable`;

/** `untag`: takes a version's further name away. */
export function untagCommand(terminal: Terminal): Command {
  return new Command("untag")
    .description("take a tag of a snapshot away")
    .argument("<name>", "name of the snapshot", parseName)
    .argument("<tag>", "the tag", parseTag)
    .option("--json", "print JSON: {name, tag}")
    .addHelpText("after", HELP)
    .action(async (name: string, tag: string, options: { json?: boolean }) => {
      await (await requireServer(terminal)).untagSnapshot(name, tag, { signal: terminal.signal });
      terminal.print(options.json ? formatJson({ name, tag }) : `removed tag ${name}:${tag}`);
    });
}
