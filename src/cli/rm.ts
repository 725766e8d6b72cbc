import { Command } from "commander";
import type { ServerApi } from "../api/contract";
import type { CheckpointInfo } from "../api/records";
import { invalidInput, isOpenComputerError } from "../errors";
import { findCheckpoint, toCheckpointRef } from "./checkpoint-ref";
import { formatJson } from "./format-table";
import { killSandbox } from "./kill-sandbox";
import { isVersionRef } from "./snapshot-ref";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
What is gone already is fine. Sandboxes run on when their snapshot or checkpoint is removed, and checkpoints stay when
their sandbox is. A name goes with all its versions; one version is NAME@VERSION, and the current one goes only with its
name. A checkpoint is SANDBOX/CHECKPOINT, by its name or id.

Examples:
  $ pulumi-opencomputer rm agent sb-1a2b3c4d
  $ pulumi-opencomputer rm agent@3
  $ pulumi-opencomputer rm sb-1a2b3c4d/before-upgrade
  $ pulumi-opencomputer rm --all`;

/** What one name came to. */
interface Removal {
  readonly name: string;
  readonly kind: "sandbox" | "checkpoint" | "snapshot" | "version" | "absent";
}

/** `rm`: kills sandboxes, deletes checkpoints and snapshots. */
export function rmCommand(terminal: Terminal): Command {
  return new Command("rm")
    .description("kill sandboxes, delete checkpoints, and snapshots or versions of them")
    .argument("[names...]", "ids of sandboxes, names of snapshots, NAME@VERSION, SANDBOX/CHECKPOINT")
    .option("--all", "every sandbox, every checkpoint and every snapshot")
    .option("--json", "print JSON: [{name, kind}]")
    .addHelpText("after", HELP)
    .action(async (names: string[], options: { all?: boolean; json?: boolean }, command: Command) => {
      if (names.length === 0 && !options.all) command.error("error: give at least one name or id, or --all");
      refuseTags(names);
      const api = await requireServer(terminal);
      const removals = await removeAll(api, options.all ? undefined : names, terminal.signal);
      if (options.json) return terminal.print(formatJson(removals));
      for (const { name, kind } of removals) {
        terminal.print(kind === "absent" ? `${name}: was not there` : `removed ${kind} ${name}`);
      }
    });
}

/** Before anything is removed, so that a wrong word does not leave the work half done. */
function refuseTags(names: readonly string[]): void {
  const tagged = names.filter((name) => !toCheckpointRef(name) && name.includes(":"));
  if (tagged.length === 0) return;
  const message =
    "is a tag; remove the version that has it as NAME@VERSION, or the tag with: pulumi-opencomputer untag";
  throw invalidInput(
    "rm",
    tagged.map((name) => ({ path: name, message: `${message} ${name.replace(":", " ")}` })),
  );
}

/** Sandboxes first: a snapshot is of no use to them, and nobody should see one without its sandboxes for long. */
async function removeAll(
  api: ServerApi,
  names: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<Removal[]> {
  const sandboxes = (await api.listSandboxes({ signal })).map((info) => info.sandboxID);
  const snapshots = (await api.listSnapshots({ signal })).map((info) => info.name);
  const wanted = (name: string) => names === undefined || names.includes(name);
  const removals: Removal[] = [];
  for (const name of sandboxes.filter(wanted)) {
    await killSandbox(api, name, signal);
    removals.push({ name, kind: "sandbox" });
  }
  for (const { name, info } of await findCheckpoints(api, names, signal)) {
    await api.deleteCheckpoint(info.sandboxId, info.id, { signal });
    removals.push({ name, kind: "checkpoint" });
  }
  for (const ref of (names ?? []).filter((name) => !toCheckpointRef(name) && isVersionRef(name))) {
    if (await removeVersion(api, ref, signal)) removals.push({ name: ref, kind: "version" });
  }
  for (const name of snapshots.filter(wanted)) {
    await api.deleteSnapshot(name, { signal });
    removals.push({ name, kind: "snapshot" });
  }
  const absent = (names ?? []).filter((name) => !removals.some((removal) => removal.name === name));
  return [...removals, ...absent.map((name) => ({ name, kind: "absent" }) as const)];
}

interface FoundCheckpoint {
  /** As it was asked for. */
  readonly name: string;
  readonly info: CheckpointInfo;
}

/** The checkpoints among the names; all where there are no names. */
async function findCheckpoints(
  api: ServerApi,
  names: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<FoundCheckpoint[]> {
  if (names === undefined) {
    return (await listEvery(api, signal)).map((info) => ({ name: `${info.sandboxId}/${info.name}`, info }));
  }
  const found: FoundCheckpoint[] = [];
  for (const name of names) {
    const ref = toCheckpointRef(name);
    const info = ref && (await orAbsent(findCheckpoint(api, ref, signal)));
    if (info) found.push({ name, info });
  }
  return found;
}

/** None where the server tells only those of one sandbox, as the hosted one does. */
async function listEvery(api: ServerApi, signal: AbortSignal): Promise<CheckpointInfo[]> {
  try {
    return await api.listAllCheckpoints({ signal });
  } catch (error) {
    if (!isOpenComputerError(error) || error.details["status"] !== 404) throw error;
    return [];
  }
}

/** Undefined where it was not there. */
async function orAbsent<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (!isOpenComputerError(error, "not_found")) throw error;
    return undefined;
  }
}

/** False where it was not there. */
async function removeVersion(api: ServerApi, ref: string, signal: AbortSignal): Promise<boolean> {
  if (!(await orAbsent(api.getSnapshot(ref, { signal })))) return false;
  await api.deleteSnapshot(ref, { signal });
  return true;
}
