import { Command } from "commander";
import type { ServerInfo } from "../api/records";
import { connect } from "../client/connect";
import { describeStarting, readEmbeddedState } from "../client/embedded-state";
import { embeddedHome } from "../client/running-server";
import { serverLogFile } from "../client/server-process";
import type { CommandFactory } from "./command-factory";
import { formatJson } from "./format-table";
import { NOT_RUNNING, type Terminal } from "./terminal";

const HELP = `
Starts nothing. Exit code 0 where a server answers, 3 where the embedded one does not run.

Examples:
  $ pulumi-opencomputer status
  $ pulumi-opencomputer status --json | jq -r .url`;

interface Status {
  readonly running: boolean;
  /** A server that is not ready yet, for people; its process is in `pid`. */
  readonly starting?: string;
  readonly url?: string;
  readonly pid?: number;
  readonly home?: string;
  readonly log?: string;
  readonly server?: ServerInfo;
}

/** `status`: which server answers. */
export const statusCommand: CommandFactory = (terminal, done) =>
  new Command("status")
    .description("show which server answers, and what it builds on")
    .option("--json", "print JSON: {running, starting?, url?, pid?, home?, log?, server?}")
    .addHelpText("after", HELP)
    .action(async (options: { json?: boolean }) => {
      const status = await readStatus(terminal);
      terminal.print(options.json ? formatJson(status) : describe(status));
      if (!status.running) done(NOT_RUNNING);
    });

async function readStatus({ env, signal }: Terminal): Promise<Status> {
  const url = env["OPENCOMPUTER_API_URL"];
  if (url || env["OPENCOMPUTER_API_KEY"]) {
    const server = await (await connect({ env })).info({ signal });
    return { running: true, ...(url ? { url } : {}), server };
  }
  const home = embeddedHome(env);
  const state = await readEmbeddedState(home, signal);
  const place = { home, log: serverLogFile(home) };
  if (state.kind === "starting") {
    return { running: false, starting: describeStarting(state), pid: state.pid, ...place };
  }
  if (state.kind !== "running") return { running: false, ...place };
  const { card, info } = state.server;
  return { running: true, url: card.url, pid: card.pid, ...place, server: info };
}

const DISK_QUOTA: Readonly<Record<NonNullable<ServerInfo["diskQuota"]>, string>> = {
  hard: "quotas are hard: a write that is over one fails",
  watched: "quotas are watched every 5 s: who is over one is ended",
  none: "no quotas",
};

function describe({ running, starting, url, pid, home, log, server }: Status): string {
  if (starting) return starting;
  if (!running) return `not running (home ${home}); start it with: pulumi-opencomputer serve`;
  const lines = [
    ["url", url],
    ["process", pid],
    ["home", home],
    ["log", log],
    ["version", server?.version],
    ["engine", server && `${server.engine}, ${server.runtime} ${server.runtimeVersion}`],
    ["keeps", server?.checkpointKinds && `${server.checkpointKinds.join(" and ")} checkpoints`],
    ["disk", server?.diskQuota && DISK_QUOTA[server.diskQuota]],
    ["base", server && `${server.base} (${server.baseDigest.slice(0, 12)})`],
  ];
  return lines.flatMap(([name, value]) => (value === undefined ? [] : `${String(name).padEnd(8)} ${value}`)).join("\n");
}
