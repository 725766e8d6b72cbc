import { rm } from "node:fs/promises";
import { join } from "node:path";
import { OpenComputerError } from "../../errors";
import { failpoint } from "../../failpoint";
import type { SandboxSpec } from "../engine";
import { asleepAgain, wakeUp } from "./checkpoints/hibernation";
import type { SandboxDeps } from "./checkpoints/sandbox-deps";
import { readSandbox, startOf, writeSandbox } from "./checkpoints/sandbox-record";
import { endContainer, isRunning } from "./container";
import { startSandbox } from "./sandbox-start";

/** Wakes a sandbox that sleeps; one that runs is fine. @throws gone where it is stopped */
export async function wakeSandbox(
  deps: SandboxDeps,
  dir: string,
  spec: SandboxSpec,
  onBooted: (() => void) | undefined,
  signal: AbortSignal,
): Promise<void> {
  const record = await readSandbox(dir);
  if (!record?.sleep) {
    if (await isRunning(dir)) return;
    throw new OpenComputerError("gone", `sandbox ${spec.id} is stopped and does not sleep; create another`);
  }
  const { sleep, layers, env, workdir } = record;
  await deps.disk.assertRoom();
  const memory = sleep.memory !== undefined && (await deps.memories.isUsable(sleep.memory)) ? sleep.memory : undefined;
  await writeSandbox(dir, { ...record, sleep: { ...sleep, waking: true } });
  failpoint("wake.begun");
  let mayHaveRun = false;
  const onBoot = () => {
    mayHaveRun = true;
  };
  try {
    // Once its memory runs, it changes the files that the memory must fit: then there is no way back.
    const patience = memory === undefined ? signal : new AbortController().signal;
    await rm(join(dir, "work"), { recursive: true, force: true });
    const checkpoint = { layers, env, workdir, ...startOf(record) };
    await startSandbox(deps, dir, { ...spec, checkpoint }, { memory, onBoot, onBooted }, patience);
  } catch (error) {
    await endContainer(deps, dir);
    // A memory that ran may not fit the files any more.
    await writeSandbox(dir, { ...record, sleep: mayHaveRun ? asleepAgain(sleep) : sleep });
    throw error;
  }
  failpoint("wake.started");
  await wakeUp(deps, dir, record);
}
