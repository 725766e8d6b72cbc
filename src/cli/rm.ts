import { Command } from "commander";
import type { ServerApi } from "../api/contract";
import { invalidInput } from "../errors";
import { formatJson } from "./format-table";
import { killSandbox } from "./kill-sandbox";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
What is gone already is fine. Sandboxes run on when their snapshot is removed.

Examples:
  $ pulumi-opencomputer rm agent sb-1a2b3c4d
  $ pulumi-opencomputer rm --all`;

/** What one name came to. */
interface Removal {
  readonly name: string;
  readonly kind: "sandbox" | "snapshot" | "absent";
}

/** `rm`: kills sandboxes, deletes snapshots. */
export function rmCommand(terminal: Terminal): Command {
  return new Command("rm")
    .description("kill sandboxes and delete snapshots")
    .argument("[names...]", "ids of sandboxes, names of snapshots")
    .option("--all", "every sandbox and every snapshot")
    .option("--json", "print JSON: [{name, kind}]")
    .addHelpText("after", HELP)
    .action(async (names: string[], options: { all?: boolean; json?: boolean }) => {
      if (names.length === 0 && !options.all) {
        throw invalidInput("rm", [{ path: "names", message: "give at least one name or id, or --all" }]);
      }
      const api = await requireServer(terminal);
      const removals = await removeAll(api, options.all ? undefined : names, terminal.signal);
      if (options.json) return terminal.print(formatJson(removals));
      for (const { name, kind } of removals) {
        terminal.print(kind === "absent" ? `${name}: was not there` : `removed ${kind} ${name}`);
      }
    });
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
  for (const name of snapshots.filter(wanted)) {
    await api.deleteSnapshot(name, { signal });
    removals.push({ name, kind: "snapshot" });
  }
  const absent = (names ?? []).filter((name) => !removals.some((removal) => removal.name === name));
  return [...removals, ...absent.map((name) => ({ name, kind: "absent" }) as const)];
}
