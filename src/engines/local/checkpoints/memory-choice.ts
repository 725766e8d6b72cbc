import { OpenComputerError } from "../../../errors";
import type { Checkpoint } from "../../engine";
import type { SandboxDeps } from "./sandbox-deps";

/** Key prefix of the memory of a started image: what it holds can be had again by starting the command. */
export const STARTED = "start-";

/** Whether what a checkpoint says of memory can be had here, or had again only by what takes it anew. */
export async function hasMemory({ memories }: SandboxDeps, { memory }: Checkpoint): Promise<boolean> {
  if (memory === undefined) return true;
  return memory.startsWith(STARTED) ? memories.isUsable(memory) : memories.has(memory);
}

/**
 * The memory image that a sandbox of this checkpoint goes on from; undefined where it boots.
 *
 * @throws unsupported where another runtime took it, not_found where it is gone
 */
export async function memoryFor(
  { memories, runtime }: SandboxDeps,
  { memory, start }: Checkpoint,
): Promise<string | undefined> {
  if (memory === undefined || (await memories.isUsable(memory))) return memory;
  if (memory.startsWith(STARTED) && start) return undefined;
  if (!(await memories.has(memory))) {
    throw new OpenComputerError("not_found", "the memory of this checkpoint is not on this machine; take another one");
  }
  const now = `${runtime.kind} ${runtime.version}`;
  const message = `the memory of this checkpoint was kept by another version of the runtime; ${now} cannot read it`;
  throw new OpenComputerError("unsupported", `${message}: take another checkpoint, or bring the old runtime back`);
}
