import { Command } from "commander";
import { formatJson } from "./format-table";
import { parseRef, parseTag } from "./snapshot-ref";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
The version can then be had as NAME:TAG, and no retention removes it. A tag that another version has moves to this one.
A name alone means its current version.

Examples:
  $ pulumi-opencomputer tag agent@3 stable
  $ pulumi-opencomputer tag agent nightly`;

/** `tag`: a further name for a version. */
export function tagCommand(terminal: Terminal): Command {
  return new Command("tag")
    .description("give a version of a snapshot a further name")
    .argument("<version>", "NAME@VERSION, NAME@CONTENT_HASH, NAME:TAG or NAME", parseRef)
    .argument("<tag>", "its further name", parseTag)
    .option("--json", "print JSON: the version")
    .addHelpText("after", HELP)
    .action(async (ref: string, tag: string, options: { json?: boolean }) => {
      const info = await (await requireServer(terminal)).tagSnapshot(ref, tag, { signal: terminal.signal });
      terminal.print(options.json ? formatJson(info) : `${info.name}:${tag} is version ${info.version}`);
    });
}
