import { Command } from "commander";
import type { SnapshotInfo } from "../api/records";
import { toMinute, toShortHash, toWords } from "./format-cell";
import { type Column, formatJson, formatList } from "./format-table";
import { parseName } from "./snapshot-ref";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
The current version is what the bare name means. Versions that are no longer current stay for a rollback as long as the
snapshot's retention says, and those with a tag stay anyway.

Examples:
  $ pulumi-opencomputer versions agent
  $ pulumi-opencomputer versions agent --json | jq -r '.[] | select(.current) | .version'`;

/** `versions`: all versions of a snapshot. */
export function versionsCommand(terminal: Terminal): Command {
  return new Command("versions")
    .description("list the versions of a snapshot, newest first")
    .argument("<name>", "name of a snapshot", parseName)
    .option("--json", "print JSON: the versions as a list")
    .addHelpText("after", HELP)
    .action(async (name: string, options: { json?: boolean }) => {
      const versions = await (await requireServer(terminal)).listSnapshotVersions(name, { signal: terminal.signal });
      terminal.print(options.json ? formatJson(versions) : formatList(versions, COLUMNS));
    });
}

const COLUMNS: readonly Column<SnapshotInfo>[] = [
  { head: "VERSION", cell: ({ name, version }) => (version === undefined ? name : `${name}@${version}`) },
  { head: "CURRENT", cell: ({ current }) => (current ? "yes" : undefined) },
  { head: "STATUS", cell: ({ status }) => status },
  { head: "HASH", cell: ({ contentHash }) => toShortHash(contentHash) },
  { head: "TAGS", cell: ({ tags }) => toWords(tags), optional: true },
  { head: "CREATED", cell: ({ createdAt }) => toMinute(createdAt) },
  { head: "LAST USED", cell: ({ lastUsedAt }) => toMinute(lastUsedAt) },
];
