import { Command, InvalidArgumentError } from "commander";
import type { ServerApi } from "../api/contract";
import type { BuildInfo } from "../api/records";
import { isOpenComputerError } from "../errors";
import { formatBuildLog } from "./build-log";
import { requireServer, type Terminal } from "./terminal";

const HELP = `
Follows the build until it is over; exit code 1 where it failed. A name means the build that runs for it, else that of
its current version; others go by their ids, which are in: pulumi-opencomputer ls --builds

Examples:
  $ pulumi-opencomputer logs agent
  $ pulumi-opencomputer logs agent --from 120 --json
  $ pulumi-opencomputer logs 5c1f09ab --no-follow`;

/** A build's id, or eight and more of its digits. */
const BUILD_ID = /^[0-9a-f]{8}[0-9a-f-]{0,28}$/;

interface LogsOptions {
  readonly from: number;
  readonly follow: boolean;
  readonly json?: boolean;
}

/** `logs`: a build, past or live. */
export function logsCommand(terminal: Terminal): Command {
  return new Command("logs")
    .description("print the log of a build, live while it runs")
    .argument("<snapshot>", "name of a snapshot, or id of a build or the first 8 digits of it")
    .option("--from <n>", "pass over the first N lines", parseCount, 0)
    .option("--no-follow", "end after the lines that are there, also where the build still runs")
    .option("--json", "print one JSON object a line: {step, type, message, stream?}")
    .addHelpText("after", HELP)
    .action(async (what: string, options: LogsOptions) => {
      const api = await requireServer(terminal);
      let next = options.from;
      const goOn = () => terminal.note(`go on with: pulumi-opencomputer logs ${what} --from ${next}`);
      try {
        const isOver = await readLog(api, what, options, terminal, () => {
          next += 1;
        });
        if (!isOver) goOn();
      } catch (error) {
        if (next > options.from && wasInterrupted(error)) goOn();
        throw error;
      }
    });
}

/** False where the build goes on. */
async function readLog(
  api: ServerApi,
  what: string,
  { from, follow, json }: LogsOptions,
  { signal, print }: Terminal,
  onLine: () => void,
): Promise<boolean> {
  const call = {
    ...{ from, signal },
    onBuildLog: (event: Parameters<typeof formatBuildLog>[0]) => {
      print(json ? JSON.stringify(event) : formatBuildLog(event));
      onLine();
    },
  };
  const build = await findBuild(api, what, follow, signal);
  if (build) return (await api.followBuildLog(build.id, { ...call, follow })).status !== "running";
  await api.followSnapshotLog(what, call);
  return true;
}

/** The build to read; undefined where the snapshot's own is meant. A log that is not followed may be of one that runs. */
async function findBuild(
  api: ServerApi,
  what: string,
  follow: boolean,
  signal: AbortSignal,
): Promise<BuildInfo | undefined> {
  const mayBeId = BUILD_ID.test(what);
  if (follow && !mayBeId) return undefined;
  const builds = await api.listBuilds({ signal });
  const named = mayBeId ? builds.find(({ id }) => id.startsWith(what)) : undefined;
  return named ?? (follow ? undefined : builds.find(({ name, status }) => name === what && status === "running"));
}

/** The build goes on without us, or has ended in a way that the log would tell. */
function wasInterrupted(error: unknown): boolean {
  return isOpenComputerError(error, "aborted") || isOpenComputerError(error, "unavailable");
}

function parseCount(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number, 0 or more.");
}
