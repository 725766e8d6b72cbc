import { open, readdir, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BareRuntime } from "../bare-runtime";
import type { BenchRun } from "../bench-run";
import { type BenchServer, startBenchServer } from "../bench-server";
import type { Benchmark, Note } from "../benchmark";
import { CheckpointTaker } from "../checkpoint-taker";
import { compare, type Side, timed } from "../comparison";
import { type Figures, percentile } from "../statistics";
import { describeMs } from "../target";

const MEMORY_MB = 256;
const FORKS = 10;
/** Fills its memory with what cannot be squeezed to nothing, and goes on counting. */
const HOLD = `
import os, time
held = [bytearray(os.urandom(1 << 20)) for _ in range(${MEMORY_MB})]
with open("/tmp/ready.new", "w") as file: file.write(str(os.getpid()))
os.rename("/tmp/ready.new", "/tmp/ready")
while True:
    time.sleep(0.1)
`;
const PROGRAM = ["python3", "-c", HOLD];
const START_TIMEOUT_MS = 60_000;

const names = (who: string) => ({
  take: `${who}: checkpoint of ${MEMORY_MB} MB`,
  restore: `${who}: restore of ${MEMORY_MB} MB`,
  fork: `${who}: fork of ${FORKS}`,
});
const BY_HAND = names("`runsc` by hand");
const OWN = names("sandbox, runsc");
/** What a promise costs that nobody makes by hand: that it is there after a power cut. */
const SYNCED = `${BY_HAND.take}, synced`;

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
    const bare = await BareRuntime.prepare(run, "runsc", server.home);
    const hand = await handSides(run, bare);
    const own = await ownPart(run, server);
    // Both ways to do one thing stand beside each other.
    const pairs = hand.sides.flatMap((side, verb) => [side, own.sides[verb]]).filter((side) => side !== undefined);
    const sides = [...pairs, hand.synced];
    const { rounds, signal, onRound } = run;
    const comparison = await compare(sides, { rounds, signal, onRound });
    return { ...comparison, notes: [...own.notes(), ...hand.notes(comparison.figures)] };
  },
};

interface HandPart {
  readonly sides: readonly Side[];
  readonly synced: Side;
  readonly notes: (figures: readonly Figures[]) => Note[];
}

async function handSides(run: BenchRun, bare: BareRuntime): Promise<HandPart> {
  // No name may begin with that of another: the runtime takes beginnings for names.
  const id = `oc-bench-${process.pid}-hold-`;
  await bare.start(id, PROGRAM);
  await untilReady(run, () => assertRunningBare(bare, id));
  const kept = join(run.dir, "kept");
  await bare.checkpoint(id, kept);
  const taken = join(run.dir, "taken");
  const removals: number[] = [];
  const takeAnd = (then: () => Promise<void>) => async () => {
    const ms = await timed(() => bare.checkpoint(id, taken).then(then));
    await rm(taken, { recursive: true });
    return ms;
  };
  const fork = async () => {
    const take = () => bare.checkpoint(id, taken).then(() => taken);
    return await restoreByHand(bare, FORKS, take, []).finally(() => rm(taken, { recursive: true }));
  };
  return {
    sides: [
      { name: BY_HAND.take, measure: takeAnd(async () => undefined) },
      { name: BY_HAND.restore, measure: () => restoreByHand(bare, 1, async () => kept, removals) },
      { name: BY_HAND.fork, measure: fork },
    ],
    synced: { name: SYNCED, measure: takeAnd(() => syncFiles(taken)) },
    notes: (figures) => handNotes(figures, removals),
  };
}

function handNotes(figures: readonly Figures[], removals: readonly number[]): Note[] {
  const synced = figures.find(({ name }) => name === SYNCED);
  return [
    ...(synced ? [{ about: OWN.take, text: `by hand and synced it takes ${describeMs(synced.p50)}` }] : []),
    ...(removals.length === 0
      ? []
      : [
          {
            about: OWN.restore,
            text: `to end the one that runs takes ${describeMs(percentile(removals, 0.5))} by hand`,
          },
        ]),
  ];
}

async function syncFiles(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    const file = await open(join(dir, name), "r");
    await file.sync().finally(() => file.close());
  }
}

let copies = 0;

/**
 * Restores so many containers, as many at a time as there are cores, and counts the time from before the image is there.
 * How long their ends take goes to `removals`.
 */
async function restoreByHand(
  bare: BareRuntime,
  count: number,
  image: () => Promise<string>,
  removals: number[],
): Promise<number> {
  const started: string[] = [];
  const ms = await timed(async () => {
    const from = await image();
    await pooled(count, async () => {
      const copy = `oc-bench-${process.pid}-copy-${copies++}-`;
      await bare.restore(copy, from, PROGRAM);
      started.push(copy);
    });
  });
  for (const copy of started) {
    await assertRunningBare(bare, copy).finally(async () => removals.push(await timed(() => bare.remove(copy))));
  }
  return ms;
}

async function assertRunningBare(bare: BareRuntime, id: string): Promise<void> {
  await bare.exec(id, ["sh", "-c", 'kill -0 "$(cat /tmp/ready)"']);
}

async function ownPart(run: BenchRun, server: BenchServer): Promise<{ sides: Side[]; notes: () => Note[] }> {
  const { signal } = run;
  const { api } = server;
  const { sandboxID } = await api.createSandbox({}, { signal });
  await api.writeFile(sandboxID, "/tmp/hold.py", HOLD, { signal });
  await api.exec(sandboxID, { cmd: "python3 /tmp/hold.py >/tmp/hold.log 2>&1 &" }, { signal });
  await untilReady(run, () => assertRunning(server, sandboxID, signal));
  const taker = new CheckpointTaker(server);
  const kept = await new CheckpointTaker(server).take(sandboxID, "full", signal);
  const take = async () => {
    let id = "";
    const ms = await timed(async () => {
      ({ id } = await taker.take(sandboxID, "full", signal));
    });
    await api.deleteCheckpoint(sandboxID, id);
    await api.collect();
    return ms;
  };
  const restore = async () => {
    const ms = await timed(() => api.restoreCheckpoint(sandboxID, kept.id, { signal }));
    await assertRunning(server, sandboxID, signal);
    return ms;
  };
  const sides = [
    { name: OWN.take, measure: take },
    { name: OWN.restore, measure: restore },
    { name: OWN.fork, measure: () => forkMany(server, sandboxID, signal) },
  ];
  return { sides, notes: () => taker.describe(OWN.take) };
}

async function forkMany(server: BenchServer, sandboxId: string, signal: AbortSignal): Promise<number> {
  const { api } = server;
  const startedMs = performance.now();
  const results = await api.forkSandbox(sandboxId, { count: FORKS, kind: "full" }, { signal });
  const ms = performance.now() - startedMs;
  const ids = results.flatMap((result) => ("sandbox" in result ? [result.sandbox.sandboxID] : []));
  for (const id of ids) await assertRunning(server, id, signal).finally(() => api.killSandbox(id));
  await api.collect();
  const failed = results.find((result) => "error" in result);
  if (failed) throw new Error(`a fork failed: ${failed.error}`);
  return ms;
}

/** The program goes on: what is fast and loses it counts for nothing. */
async function assertRunning({ api }: BenchServer, sandboxId: string, signal: AbortSignal): Promise<void> {
  const { exitCode, stderr } = await api.exec(sandboxId, { cmd: 'kill -0 "$(cat /tmp/ready)"' }, { signal });
  if (exitCode !== 0) throw new Error(`the program does not run in sandbox ${sandboxId}: ${stderr}`);
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
async function pooled(count: number, act: () => Promise<void>): Promise<void> {
  let left = count;
  const worker = async () => {
    while (left-- > 0) await act();
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}
