import { Command, InvalidArgumentError } from "commander";
import type { CreateSnapshotRequest, ServerApi } from "../api/contract";
import type { BuildLogEvent, SnapshotInfo } from "../api/records";
import { warmPoolSchema } from "../api/schemas";
import { isOpenComputerError } from "../errors";
import type { ResolvedImage } from "../image/image";
import { formatBuildLog } from "./build-log";
import { formatJson } from "./format-table";
import { loadImageFile } from "./image-file";
import { killSandbox } from "./kill-sandbox";
import { addNameValue } from "./name-value";
import type { Terminal } from "./terminal";

const HELP = `
FILE is TypeScript or JavaScript that exports an Image, or a manifest as JSON. The log goes to stderr, the result to
stdout. Without --name the image is built and started once, and stays in the cache until gc; with it, it stays.
--new-version builds first and then moves the name at once; the version before stays for a rollback.
--warm-pool keeps sandboxes of the current version started, so that a create takes one instead of starting one.

Examples:
  $ pulumi-opencomputer build agent.ts
  $ pulumi-opencomputer build agent.ts --name agent
  $ pulumi-opencomputer build agent.ts --name agent --new-version --label team=red
  $ pulumi-opencomputer build agent.ts --name agent --warm-pool 4`;

interface BuildOptions {
  readonly name?: string;
  readonly newVersion?: boolean;
  readonly label?: Readonly<Record<string, string>>;
  readonly warmPool?: number;
  readonly json?: boolean;
}

/** `build`: an image from a file. */
export function buildCommand(terminal: Terminal): Command {
  return new Command("build")
    .description("build the image that a file exports")
    .argument("<file>", "a .ts, .js, .mjs, .cjs or .json file")
    .option("--name <name>", "keep it as a snapshot of this name")
    .option("--new-version", "where the name is there, make the image its current version")
    .option("--label <NAME=value>", "a label of the name; may be given several times", addNameValue)
    .option("--warm-pool <number>", "how many sandboxes of the name to keep started ahead, 0 to 100", parseWarmPool)
    .option("--json", "print JSON: the snapshot, or {contentHash}")
    .addHelpText("after", HELP)
    .action(async (file: string, options: BuildOptions, command: Command) => {
      refuseWithoutName(options, command);
      const image = await loadImageFile(file);
      const api = await terminal.open();
      const call = {
        signal: terminal.signal,
        onBuildLog: (event: BuildLogEvent) => terminal.note(formatBuildLog(event)),
      };
      if (options.name !== undefined) {
        const snapshot = await keepImage(terminal, api, { name: options.name, image, ...toWish(options) }, call);
        if (options.json) return terminal.print(formatJson(snapshot));
        const { name, version, contentHash } = snapshot;
        if (options.newVersion && version !== undefined) terminal.note(`${name} is version ${version} now`);
        return terminal.print(`${name} ${contentHash}`);
      }
      await tryImage(api, image, call);
      const { contentHash } = image;
      terminal.print(options.json ? formatJson({ contentHash }) : contentHash);
    });
}

/** Versions, labels and warm pools are a name's. */
function refuseWithoutName({ name, newVersion, label, warmPool }: BuildOptions, command: Command): void {
  const given = { "--new-version": newVersion, "--label": label, "--warm-pool": warmPool };
  const [option] = Object.entries(given).flatMap(([flag, value]) => (value === undefined ? [] : [flag]));
  if (name !== undefined || option === undefined) return;
  command.error(`error: ${option} needs the name that it is for: --name`);
}

function toWish({ newVersion, label, warmPool }: BuildOptions): Wish {
  return {
    ...(newVersion ? { ifExists: "version" } : {}),
    ...(label ? { labels: label } : {}),
    ...(warmPool === undefined ? {} : { warmPool }),
  };
}

type Wish = Pick<CreateSnapshotRequest, "ifExists" | "labels" | "warmPool">;

function parseWarmPool(text: string): number {
  if (/^\d+$/.test(text) && warmPoolSchema.safeParse(Number(text)).success) return Number(text);
  throw new InvalidArgumentError("It must be a whole number from 0 to 100.");
}

interface Call {
  readonly signal: AbortSignal;
  readonly onBuildLog: (event: BuildLogEvent) => void;
}

/** A name that stands for this very image already is as good as one that is made now. */
async function keepImage(
  terminal: Terminal,
  api: ServerApi,
  request: CreateSnapshotRequest & { readonly image: ResolvedImage },
  call: Call,
): Promise<SnapshotInfo> {
  try {
    return await api.createSnapshot(request, call);
  } catch (error) {
    if (!isOpenComputerError(error, "conflict")) throw error;
    const there = await api.getSnapshot(request.name, { signal: call.signal });
    if (there.status !== "ready" || there.contentHash !== request.image.contentHash) throw error;
    terminal.note(`${request.name} is there already, with this very image`);
    const { name, labels, warmPool } = request;
    const change = { ...(labels ? { labels } : {}), ...(warmPool === undefined ? {} : { warmPool }) };
    if (Object.keys(change).length === 0) return there;
    return await api.updateSnapshot(name, change, { signal: call.signal });
  }
}

/** An image without a name lives as long as something uses it; starting it once also shows that it starts. */
async function tryImage(api: ServerApi, image: ResolvedImage, call: Call): Promise<void> {
  const { sandboxID } = await api.createSandbox({ image }, call);
  // Also after Ctrl-C: nothing is left running.
  await killSandbox(api, sandboxID);
}
