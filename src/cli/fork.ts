import { Command, InvalidArgumentError, Option } from "commander";
import type { ForkRequest, ServerApi } from "../api/contract";
import type { CheckpointKind, ForkResult } from "../api/records";
import { isOpenComputerError } from "../errors";
import { type CheckpointRef, requireCheckpoint, toCheckpointRef } from "./checkpoint-ref";
import type { CommandFactory } from "./command-factory";
import { count } from "./format-cell";
import { formatJson } from "./format-table";
import { addNameValue } from "./name-value";
import { parseWholeSeconds } from "./seconds";
import { requireServer } from "./terminal";

const HELP = `
Prints the ids of the new sandboxes, one a line. From a sandbox: what it is now; it runs on. Memory and processes are
taken over where the server's runtime can (see: status), unless --disk-only. From SANDBOX/CHECKPOINT: what was kept there.
Exit code 1 where some could not be started; the others run.

Examples:
  $ pulumi-opencomputer fork sb-1a2b3c4d --count 10 -e ROLE=worker
  $ pulumi-opencomputer fork sb-1a2b3c4d/before-upgrade`;

interface ForkOptions {
  readonly count: number;
  readonly full?: boolean;
  readonly diskOnly?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeout?: number;
  readonly json?: boolean;
}

/** `fork`: several sandboxes from what one is or was. */
export const forkCommand: CommandFactory = (terminal, done) =>
  new Command("fork")
    .description("start sandboxes from what one is now, or from a checkpoint")
    .argument("<source>", "id of a sandbox, or SANDBOX/CHECKPOINT with the name or id of a checkpoint")
    .option("--count <number>", "how many, 1 to 100", parseCount, 1)
    .addOption(
      new Option("--full", "with memory and processes; an error where the server cannot").conflicts("diskOnly"),
    )
    .option("--disk-only", "with files only; processes start anew")
    .option("-e, --env <NAME=value>", "set a variable for its commands; may be given several times", addNameValue)
    .option("--timeout <seconds>", "hibernate them when idle for so long; default is never", parseWholeSeconds)
    .option("--json", "print JSON: [{sandbox} or {error, code}]")
    .addHelpText("after", HELP)
    .action(async (source: string, options: ForkOptions, command: Command) => {
      const ref = toCheckpointRef(source);
      if (ref && toKind(options)) command.error("error: a checkpoint is what it is; leave out --full and --disk-only");
      const api = await requireServer(terminal);
      const results = await fork(api, ref ?? source, options, terminal.signal);
      const failures = results.flatMap((result) => ("error" in result ? [result] : []));
      if (failures.length > 0) done(1);
      if (options.json) return terminal.print(formatJson(results));
      for (const result of results) if ("sandbox" in result) terminal.print(result.sandbox.sandboxID);
      for (const { error, code } of failures) terminal.note(`error: ${error} (${code})`);
      if (failures.length > 0)
        terminal.note(`${count(failures, "sandbox", "sandboxes")} of ${results.length} not started`);
    });

async function fork(
  api: ServerApi,
  source: string | CheckpointRef,
  options: ForkOptions,
  signal: AbortSignal,
): Promise<ForkResult[]> {
  const { env, timeout } = options;
  const fields = { ...(env ? { envs: env } : {}), ...(timeout === undefined ? {} : { timeout }) };
  const kind = toKind(options);
  if (typeof source === "string") {
    return api.forkSandbox(source, { count: options.count, ...(kind ? { kind } : {}), ...fields }, { signal });
  }
  const { id } = await requireCheckpoint(api, source, signal);
  return Promise.all(Array.from({ length: options.count }, () => startFrom(api, id, fields, signal)));
}

function toKind({ full, diskOnly }: ForkOptions): CheckpointKind | undefined {
  if (full) return "full";
  return diskOnly ? "disk_only" : undefined;
}

async function startFrom(api: ServerApi, id: string, request: ForkRequest, signal: AbortSignal): Promise<ForkResult> {
  try {
    return { sandbox: await api.createSandboxFromCheckpoint(id, request, { signal }) };
  } catch (error) {
    if (!isOpenComputerError(error) || error.code === "aborted") throw error;
    return { error: error.message, code: error.code };
  }
}

function parseCount(text: string): number {
  if (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 100) return Number(text);
  throw new InvalidArgumentError("It must be a whole number from 1 to 100.");
}
