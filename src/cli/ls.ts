import { Command } from "commander";
import type { SandboxInfo, SnapshotInfo } from "../api/records";
import { formatJson, formatTable } from "./format-table";
import { noServer, type Terminal } from "./terminal";

const HELP = `
Examples:
  $ pulumi-opencomputer ls
  $ pulumi-opencomputer ls --json | jq -r '.sandboxes[].sandboxID'`;

/** `ls`: snapshots and sandboxes. */
export function lsCommand(terminal: Terminal): Command {
  return new Command("ls")
    .description("list snapshots and sandboxes")
    .option("--json", "print JSON: {snapshots, sandboxes}")
    .addHelpText("after", HELP)
    .action(async (options: { json?: boolean }) => {
      const api = await terminal.find();
      if (!api) terminal.note(noServer(terminal));
      const call = { signal: terminal.signal };
      const [snapshots, sandboxes] = api
        ? await Promise.all([api.listSnapshots(call), api.listSandboxes(call)])
        : [[], []];
      if (options.json) return terminal.print(formatJson({ snapshots, sandboxes }));
      terminal.print(formatTable(["SNAPSHOT", "STATUS", "HASH", "CREATED", "LAST USED"], snapshots.map(snapshotRow)));
      terminal.print("");
      terminal.print(
        formatTable(["SANDBOX", "STATUS", "FROM", "MEMORY", "STARTED", "ENDS"], sandboxes.map(sandboxRow)),
      );
    });
}

function snapshotRow(info: SnapshotInfo): string[] {
  return [info.name, info.status, info.contentHash.slice(0, 12), toMinute(info.createdAt), toMinute(info.lastUsedAt)];
}

function sandboxRow(info: SandboxInfo): string[] {
  const memory = info.memoryMB === undefined ? "-" : `${info.memoryMB} MiB`;
  const from = info.snapshot ?? info.templateID ?? "-";
  return [info.sandboxID, info.status, from, memory, toMinute(info.startedAt), toMinute(info.endAt)];
}

/** In UTC, without what nobody looks at: `2026-05-04T10:20Z`. */
function toMinute(time: string | null | undefined): string {
  if (!time) return "-";
  return Number.isNaN(Date.parse(time)) ? time : `${new Date(time).toISOString().slice(0, 16)}Z`;
}
