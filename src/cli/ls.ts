import { Command, Option } from "commander";
import type { ServerApi } from "../api/contract";
import type { BuildInfo, CheckpointInfo, SandboxInfo, SnapshotInfo } from "../api/records";
import { CHECKPOINT_COLUMNS } from "./checkpoint-columns";
import { toMinute, toPairs, toShortHash, toWords } from "./format-cell";
import { type Column, formatJson, formatList } from "./format-table";
import { addNameValue } from "./name-value";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
Starts nothing: exit code 3 where the embedded server does not run, as sandboxes may run on without it.
Of a snapshot with several versions the current one is shown; the others with: pulumi-opencomputer versions NAME

Examples:
  $ pulumi-opencomputer ls
  $ pulumi-opencomputer ls --json | jq -r '.sandboxes[].sandboxID'
  $ pulumi-opencomputer ls --label team=red --label stage=dev
  $ pulumi-opencomputer ls --checkpoints
  $ pulumi-opencomputer ls --builds`;

/** What there is; a list that was not asked for is absent. */
interface Listing {
  readonly snapshots?: readonly SnapshotInfo[];
  readonly sandboxes?: readonly SandboxInfo[];
  readonly checkpoints?: readonly CheckpointInfo[];
  readonly builds?: readonly BuildInfo[];
}

interface LsOptions {
  readonly checkpoints?: boolean;
  readonly builds?: boolean;
  readonly label?: Readonly<Record<string, string>>;
  readonly json?: boolean;
}

/** `ls`: snapshots and sandboxes, or checkpoints, or builds. */
export function lsCommand(terminal: Terminal): Command {
  return new Command("ls")
    .description("list snapshots and sandboxes, or checkpoints, or builds")
    .option("--label <NAME=value>", "only snapshots with this label; may be given several times", addNameValue)
    .addOption(
      new Option("--checkpoints", "checkpoints instead, also of sandboxes that are gone").conflicts([
        "label",
        "builds",
      ]),
    )
    .addOption(new Option("--builds", "running builds, and those whose logs are kept, instead").conflicts("label"))
    .option("--json", "print JSON: {snapshots, sandboxes}; {snapshots}, {checkpoints}, {builds} with the options")
    .addHelpText("after", HELP)
    .action(async (options: LsOptions) => {
      const api = await requireServer(terminal);
      const listing = await list(api, options, terminal.signal);
      terminal.print(options.json ? formatJson(listing) : describe(listing));
    });
}

async function list(api: ServerApi, options: LsOptions, signal: AbortSignal): Promise<Listing> {
  const { checkpoints, builds, label: labels } = options;
  if (checkpoints) return { checkpoints: await api.listAllCheckpoints({ signal }) };
  if (builds) return { builds: await api.listBuilds({ signal }) };
  if (labels) return { snapshots: await api.listSnapshots({ signal, labels }) };
  const [snapshots, sandboxes] = await Promise.all([api.listSnapshots({ signal }), api.listSandboxes({ signal })]);
  return { snapshots, sandboxes };
}

function describe({ snapshots, sandboxes, checkpoints, builds }: Listing): string {
  return [
    ...(snapshots ? [formatList(snapshots, SNAPSHOT_COLUMNS)] : []),
    ...(sandboxes ? [formatList(sandboxes, SANDBOX_COLUMNS)] : []),
    ...(checkpoints ? [formatList(checkpoints, CHECKPOINT_COLUMNS)] : []),
    ...(builds ? [formatList(builds, BUILD_COLUMNS)] : []),
  ].join("\n\n");
}

const SNAPSHOT_COLUMNS: readonly Column<SnapshotInfo>[] = [
  { head: "SNAPSHOT", cell: ({ name }) => name },
  { head: "VERSION", cell: ({ version }) => version?.toString(), optional: true },
  { head: "STATUS", cell: ({ status }) => status },
  { head: "HASH", cell: ({ contentHash }) => toShortHash(contentHash) },
  { head: "TAGS", cell: ({ tags }) => toWords(tags), optional: true },
  { head: "LABELS", cell: ({ labels }) => toPairs(labels), optional: true },
  { head: "WARM", cell: ({ warmPool }) => (warmPool ? String(warmPool) : undefined), optional: true },
  { head: "CREATED", cell: ({ createdAt }) => toMinute(createdAt) },
  { head: "LAST USED", cell: ({ lastUsedAt }) => toMinute(lastUsedAt) },
];

const SANDBOX_COLUMNS: readonly Column<SandboxInfo>[] = [
  { head: "SANDBOX", cell: ({ sandboxID }) => sandboxID },
  { head: "STATUS", cell: ({ status }) => status },
  { head: "FROM", cell: ({ snapshot, templateID }) => snapshot ?? templateID },
  { head: "MEMORY", cell: ({ memoryMB }) => (memoryMB === undefined ? undefined : `${memoryMB} MiB`) },
  { head: "TAGS", cell: ({ tags }) => toPairs(tags), optional: true },
  { head: "STARTED", cell: ({ startedAt }) => toMinute(startedAt) },
  { head: "SLEEPS", cell: ({ endAt }) => toMinute(endAt) },
];

const BUILD_COLUMNS: readonly Column<BuildInfo>[] = [
  { head: "BUILD", cell: ({ id }) => id.slice(0, 8) },
  { head: "STATUS", cell: ({ status }) => status },
  { head: "SNAPSHOT", cell: ({ name }) => name },
  { head: "HASH", cell: ({ contentHash }) => toShortHash(contentHash) },
  { head: "STARTED", cell: ({ startedAt }) => toMinute(startedAt) },
  { head: "TOOK", cell: toDuration },
];

function toDuration({ startedAt, finishedAt }: BuildInfo): string | undefined {
  if (finishedAt === undefined) return undefined;
  return `${((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000).toFixed(1)} s`;
}
