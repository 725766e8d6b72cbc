import { OpenComputerError } from "../../errors";
import type { Checkpoint } from "../engine";
import { memoryFor } from "./checkpoints/memory-choice";
import type { SandboxDeps } from "./checkpoints/sandbox-deps";

/** Does something while what a checkpoint names is here and stays; `memory` is the key of the image to go on from. */
export async function whileStartable<T>(
  deps: SandboxDeps,
  checkpoint: Checkpoint,
  work: (memory: string | undefined) => Promise<T>,
): Promise<T> {
  await deps.disk.assertRoom();
  const unpin = deps.layers.pin(checkpoint.layers);
  try {
    await assertLayers(deps, checkpoint.layers);
    return await work(await memoryFor(deps, checkpoint));
  } finally {
    unpin();
  }
}

async function assertLayers({ layers }: SandboxDeps, keys: readonly string[]): Promise<void> {
  const there = await Promise.all(keys.map((key) => layers.has(key)));
  const missing = keys.filter((_, index) => !there[index]);
  if (missing.length === 0 && keys.length > 0) return;
  const damage = (await Promise.all(missing.map((key) => layers.damageOf(key)))).find((found) => found !== null);
  if (damage) throw damaged(missing, keys.length, damage);
  const message = `the checkpoint is not on this machine: ${missing.length} of its ${keys.length} layers are missing`;
  throw new OpenComputerError("not_found", `${message}; build its image again`, { details: { layers: missing } });
}

function damaged(missing: readonly string[], count: number, damage: string): OpenComputerError {
  const what = `${missing.length} of the ${count} layers of this checkpoint were damaged on the disk`;
  const advice = "build the image that it came from again; where that does not help, take another checkpoint";
  return new OpenComputerError("damaged", `${what}, the first: ${damage}; ${advice}`, { details: { layers: missing } });
}
