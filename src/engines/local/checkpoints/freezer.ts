import { copyFile, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { OpenComputerError } from "../../../errors";
import { failpoint } from "../../../failpoint";
import { cgroupsPath, hierarchies } from "../cgroup";
import { type ContainerDeps, isRunning } from "../container";

const FREEZE_TIMEOUT_MS = 10_000;

/**
 * Does something while no process of a container runs, and lets them run on afterwards, whatever came of it. What is
 * written down first lets the next server do the latter where this one does not come to it.
 */
export async function whileFrozen<T>(deps: ContainerDeps, dir: string, work: () => Promise<T>): Promise<T> {
  await writeFile(markFile(dir), "");
  try {
    await freeze(deps, basename(dir));
    failpoint("checkpoint.frozen");
    return await work();
  } finally {
    await thaw(deps, dir);
  }
}

/**
 * Like {@link whileFrozen}, after its memory was written into the directory `image`, beside its configuration, and all that gVisor held back of its
 * writes into its files: what `work` finds there is of the same moment. runsc only.
 */
export async function whileSaved<T>(
  deps: ContainerDeps,
  dir: string,
  image: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const id = basename(dir);
  return deps.agents.hold(id, () =>
    whileFrozen(deps, dir, async () => {
      await deps.runtime.saveMemory(id, image, signal);
      failpoint("memory.saved");
      await copyFile(join(dir, "config.json"), join(image, "config.json"));
      return work();
    }),
  );
}

/**
 * Lets a container run on where somebody left it frozen; a killed process of a frozen one would not end. One that has
 * ended is fine.
 *
 * @throws internal where it does not run on; the next thaw tries again
 */
export async function thaw({ runtime }: ContainerDeps, dir: string): Promise<void> {
  if ((await readFile(markFile(dir)).catch(() => null)) === null) return;
  const id = basename(dir);
  if (runtime.kind !== "runsc") await (await findFreezer(id))?.thaw();
  else if (await isRunning(dir)) await runtime.resume(id);
  await rm(markFile(dir), { force: true });
}

const markFile = (dir: string) => join(dir, "frozen");

async function freeze({ runtime }: ContainerDeps, id: string): Promise<void> {
  if (runtime.kind === "runsc") return runtime.pause(id);
  const freezer = await findFreezer(id);
  if (!freezer) throw new OpenComputerError("unsupported", "this machine has no control groups that freeze processes");
  await freezer.freeze();
  const giveUpAt = performance.now() + FREEZE_TIMEOUT_MS;
  while (!(await freezer.isFrozen())) {
    if (performance.now() > giveUpAt) {
      const message = `the processes of sandbox ${id} did not stand still within ${FREEZE_TIMEOUT_MS / 1000} s`;
      throw new OpenComputerError("timeout", message);
    }
    await sleep(1);
  }
}

interface Freezer {
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  isFrozen(): Promise<boolean>;
}

/** That of version 1 where there is one: on a machine with both, the container is in both. */
async function findFreezer(id: string): Promise<Freezer | null> {
  const groups = (await hierarchies()).map((hierarchy) => join(hierarchy, cgroupsPath(id)));
  for (const group of groups) {
    const file = join(group, "freezer.state");
    const state = () => readFile(file, "utf8").catch(() => "");
    if (await state()) {
      return {
        freeze: () => writeFile(file, "FROZEN"),
        thaw: () => writeFile(file, "THAWED"),
        isFrozen: async () => (await state()).trim() === "FROZEN",
      };
    }
  }
  for (const group of groups) {
    const file = join(group, "cgroup.freeze");
    if (!(await readFile(file, "utf8").catch(() => ""))) continue;
    const events = () => readFile(join(group, "cgroup.events"), "utf8").catch(() => "");
    return {
      freeze: () => writeFile(file, "1"),
      thaw: () => writeFile(file, "0"),
      isFrozen: async () => /^frozen 1$/m.test(await events()),
    };
  }
  return null;
}
