import { OpenComputerError } from "../../errors";
import { failpoint } from "../../failpoint";
import type { Checkpoint, ExecSpec, SandboxSpec, StartCommand } from "../engine";
import type { SandboxDeps } from "./checkpoints/sandbox-deps";
import { writeRunningSandbox } from "./checkpoints/sandbox-record";
import { startService } from "./checkpoints/service-start";
import { startContainer } from "./container";
import { execInContainer } from "./container-exec";
import { makeUpper } from "./layer-store";
import { machineId } from "./machine-id";

const SANDBOX_PIDS = 512;

/** How a sandbox begins to run. */
export interface Beginning {
  /** Key of the image that it goes on from; undefined where it boots. */
  readonly memory: string | undefined;
  /** Called just before anything of it runs. */
  readonly onBoot?: () => void;
  /** Called when it runs; its service may not be ready yet. */
  readonly onBooted: (() => void) | undefined;
}

/** Makes the directory of a sandbox, and starts it. */
export async function createSandbox(
  deps: SandboxDeps,
  dir: string,
  spec: SandboxSpec,
  beginning: Beginning,
  signal: AbortSignal,
): Promise<void> {
  const { checkpoint, diskMB } = spec;
  const { env, workdir, start, layers } = checkpoint;
  await makeUpper(dir);
  await writeRunningSandbox(dir, {
    ...{ layers: [...layers], env, workdir, ...(start ? { start } : {}) },
    ...(diskMB === undefined ? {} : { diskMB }),
  });
  failpoint("sandbox.made");
  await startSandbox(deps, dir, spec, beginning, signal);
}

/** Starts one whose directory is there. Where it boots, its service is started and waited for. */
export async function startSandbox(
  deps: SandboxDeps,
  dir: string,
  { id, memoryMB, cpuCount, network = "egress", checkpoint }: SandboxSpec,
  { memory, onBoot, onBooted }: Beginning,
  signal: AbortSignal,
): Promise<void> {
  const { layers, env, workdir, start } = checkpoint;
  const limits = { memoryBytes: memoryMB * 1024 * 1024, cpuCount, pids: SANDBOX_PIDS };
  const image = memory === undefined ? {} : { memory: deps.memories.dirOf(memory) };
  const made = { dir, layers, hostname: id, limits, network, machineId: machineId(id), ...image };
  const request = { ...made, ...(onBoot ? { onBoot } : {}) };
  await startContainer(deps, request, signal);
  onBooted?.();
  if (start && memory === undefined) await startUp(deps, dir, { env, workdir, start }, signal);
}

async function startUp(
  deps: SandboxDeps,
  dir: string,
  service: Pick<Checkpoint, "env" | "workdir"> & { readonly start: StartCommand },
  signal: AbortSignal,
): Promise<void> {
  const exec = (spec: ExecSpec) => execInContainer(deps, dir, spec);
  const failure = await startService(exec, service, signal).catch((error) => {
    throw signal.aborted ? new OpenComputerError("aborted", "stopped while the start command was starting") : error;
  });
  if (!failure) return;
  const { what, exitCode, lastLines } = failure;
  const message = [what, ...lastLines.map((line) => `  ${line}`)].join("\n");
  throw new OpenComputerError("build_failed", message, {
    details: { stepType: "start_command", exitCode, lastLines },
  });
}
