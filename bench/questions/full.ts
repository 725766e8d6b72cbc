import { rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type BareRuntime, prepareBareRuntime } from "../bare-runtime";
import type { BenchRun } from "../bench-run";
import { type BenchServer, startBenchServer } from "../bench-server";
import type { Benchmark } from "../benchmark";
import { compare, type Side, timed } from "../comparison";
import { takeCheckpoint } from "../taken-checkpoint";

const MEMORY_MB = 256;
const FORKS = 10;
/** Fills its memory with what cannot be squeezed to nothing, and goes on counting. */
const HOLD = `
import os, time
held = [bytearray(os.urandom(1 << 20)) for _ in range(${MEMORY_MB})]
open("/tmp/ready", "w").close()
while True:
    time.sleep(0.1)
`;
const START_TIMEOUT_MS = 60_000;

const names = (who: string) => ({
  take: `${who}: checkpoint of ${MEMORY_MB} MB`,
  restore: `${who}: restore of ${MEMORY_MB} MB`,
  fork: `${who}: fork of ${FORKS}`,
});
const BY_HAND = names("`runsc` by hand");
const OWN = names("sandbox, runsc");

/**
 * Memory and processes of a Python program of 256 MB: keeping them, going back to them, and ten more sandboxes that go on
 * from there; beside `runsc checkpoint` and as many `runsc restore`, a core's worth of them at a time.
 */
export const full: Benchmark = {
  name: "full",
  question: `memory and processes of a Python program of ${MEMORY_MB} MB`,
  rounds: { full: 15, quick: 1 },
  rivals: [],
  targets: (["take", "restore", "fork"] as const).map((verb) => ({
    kind: "ratio",
    side: OWN[verb],
    over: BY_HAND[verb],
    atMost: 1.3,
  })),
  run: async (run) => {
    const server = await startBenchServer(run, { runtime: "runsc" });
    const bare = await prepareBareRuntime(run, "runsc", server.home);
    const sides = [...(await handSides(run, bare)), ...(await ownSides(run, server))];
    // Both ways to do one thing stand beside each other.
    const paired = [0, 1, 2].flatMap((verb) => [sides[verb], sides[verb + 3]]).filter((side) => side !== undefined);
    const { rounds, signal, onRound } = run;
    return await compare(paired, { rounds, signal, onRound });
  },
};

async function handSides(run: BenchRun, bare: BareRuntime): Promise<Side[]> {
  const id = `oc-bench-${process.pid}-hold-`;
  const args = ["python3", "-c", HOLD];
  await bare.start(id, args);
  await untilReady(run, () => bare.exec(id, ["test", "-e", "/tmp/ready"]));
  const kept = join(run.dir, "kept");
  await bare.checkpoint(id, kept);
  let copies = 0;
  const restore = async (from: string) => {
    // No name may begin with that of another: the runtime takes beginnings for names.
    const copy = `oc-bench-${process.pid}-copy-${copies++}-`;
    await bare.restore(copy, from, args);
    return copy;
  };
  const fork = async (from: string) => {
    await bare.checkpoint(id, from);
    return await pooled(FORKS, () => restore(from));
  };
  const image = (index: number) => join(run.dir, `image-${index}`);
  let images = 0;
  return [
    {
      name: BY_HAND.take,
      measure: async () => {
        const dir = image(images++);
        const ms = await timed(() => bare.checkpoint(id, dir));
        await rm(dir, { recursive: true });
        return ms;
      },
    },
    {
      name: BY_HAND.restore,
      measure: async () => {
        let copy = "";
        const ms = await timed(async () => {
          copy = await restore(kept);
        });
        await bare.remove(copy);
        return ms;
      },
    },
    {
      name: BY_HAND.fork,
      measure: async () => {
        const dir = image(images++);
        let forked: string[] = [];
        const ms = await timed(async () => {
          forked = await fork(dir);
        });
        for (const copy of forked) await bare.remove(copy);
        await rm(dir, { recursive: true });
        return ms;
      },
    },
  ];
}

async function ownSides(run: BenchRun, { api }: BenchServer): Promise<Side[]> {
  const { signal } = run;
  const { sandboxID } = await api.createSandbox({}, { signal });
  await api.writeFile(sandboxID, "/tmp/hold.py", HOLD, { signal });
  await api.exec(sandboxID, { cmd: "python3 /tmp/hold.py >/tmp/hold.log 2>&1 &" }, { signal });
  await untilReady(run, async () => {
    const { exitCode } = await api.exec(sandboxID, { cmd: "test -e /tmp/ready" }, { signal });
    if (exitCode !== 0) throw new Error("not yet");
  });
  const kept = await takeCheckpoint(api, sandboxID, "full", signal);
  return [
    {
      name: OWN.take,
      measure: async () => {
        let id = "";
        const ms = await timed(async () => {
          ({ id } = await takeCheckpoint(api, sandboxID, "full", signal));
        });
        await api.deleteCheckpoint(sandboxID, id);
        await api.collect();
        return ms;
      },
    },
    {
      name: OWN.restore,
      measure: () => timed(() => api.restoreCheckpoint(sandboxID, kept.id, { signal })),
    },
    {
      name: OWN.fork,
      measure: async () => {
        const startedMs = performance.now();
        const results = await api.forkSandbox(sandboxID, { count: FORKS, kind: "full" }, { signal });
        const ms = performance.now() - startedMs;
        const ids = results.flatMap((result) => ("sandbox" in result ? [result.sandbox.sandboxID] : []));
        for (const id of ids) await api.killSandbox(id);
        await api.collect();
        const failed = results.find((result) => "error" in result);
        if (failed) throw new Error(`a fork failed: ${failed.error}`);
        return ms;
      },
    },
  ];
}

async function untilReady(run: BenchRun, isReady: () => Promise<unknown>): Promise<void> {
  for (const deadline = Date.now() + START_TIMEOUT_MS; Date.now() < deadline; await sleep(200)) {
    run.signal.throwIfAborted();
    const ready = await isReady().then(
      () => true,
      () => false,
    );
    if (ready) return;
  }
  throw new Error(`the program did not fill its memory within ${START_TIMEOUT_MS / 1000} s`);
}

/** Does something so many times, as many at a time as the machine has cores. */
async function pooled<T>(count: number, act: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let left = count;
  const worker = async () => {
    while (left-- > 0) results.push(await act());
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return results;
}
