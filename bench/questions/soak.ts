import { setTimeout as sleep } from "node:timers/promises";
import { Image } from "../../src/image/image";
import type { BenchRun } from "../bench-run";
import { type BenchServer, startBenchServer } from "../bench-server";
import type { Benchmark } from "../benchmark";
import { createCrowd } from "../crowd";
import { FirstAnswer } from "../first-answer";
import { type ProcessSize, processSize } from "../process-size";
import { roundTo, slope, toFigures } from "../statistics";
import type { Quantity } from "../target";

const SNAPSHOT = "bench";
const CROWD = 300;
/** In which the server's just-in-time compiler and its caches grow; what is flat is flat after them. */
const WARM_UP_SHARE = 0.2;
const SAMPLES = 50;
const IDLE_MS = 10_000;
const LIMIT_MS = 30 * 60_000;

const NAMES = {
  failures: "cycles that failed",
  crowd: `of ${CROWD} creates at once, those that succeed`,
  memory: "server's memory, growth over 1,000 cycles",
  files: "server's open files, growth over 1,000 cycles",
  threads: "server's threads, growth over 1,000 cycles",
  idle: "server's memory, started and idle",
  idleAfter: "server's memory, idle after all that",
} as const;

/** Create, exec, delete, a thousand times; then three hundred creates at once. What the server holds must not grow. */
export const soak: Benchmark = {
  name: "soak",
  question: "1,000 cycles of create, exec, delete; 300 creates at once",
  rounds: { full: 1000, quick: 30 },
  rivals: [],
  targets: [
    { kind: "most", quantity: NAMES.failures, limit: 0 },
    { kind: "least", quantity: NAMES.crowd, limit: 100 },
    // Flat, as far as a collector of garbage and connections that are kept open are.
    { kind: "most", quantity: NAMES.memory, limit: 10 },
    { kind: "most", quantity: NAMES.files, limit: 5 },
    { kind: "most", quantity: NAMES.threads, limit: 2 },
    { kind: "most", quantity: NAMES.idle, limit: 150 },
    { kind: "most", quantity: NAMES.idleAfter, limit: 150 },
  ],
  run: async (run) => {
    const server = await startBenchServer(run, { runtime: "runc" });
    await server.api.createSnapshot({ name: SNAPSHOT, image: Image.base().resolve() });
    const idle = await sizeAtRest(run, server);
    const cycles = await runCycles(run, server);
    const count = run.isQuick ? 10 : CROWD;
    run.say(`${count} creates at once`);
    const crowd = await createCrowd(run, server, `each of ${count} creates at once`, {
      snapshot: SNAPSHOT,
      count,
      everyMs: 0,
    });
    const after = await sizeAtRest(run, server);
    return {
      figures: [toFigures("one cycle's create and exec", cycles.times), crowd.figures],
      quantities: [
        { name: NAMES.failures, value: cycles.failures.length, unit: `of ${cycles.asked}` },
        { name: NAMES.crowd, value: roundTo((100 * crowd.done) / crowd.asked, 1), unit: "%" },
        ...growth(cycles.sizes),
        { name: NAMES.idle, value: idle.memoryMb, unit: "MB" },
        { name: NAMES.idleAfter, value: after.memoryMb, unit: "MB" },
      ],
      notes: [
        ...cycles.failures.slice(0, 3).map((text) => ({ about: NAMES.failures, text })),
        ...(crowd.failure === undefined ? [] : [{ about: NAMES.crowd, text: crowd.failure }]),
        ...describeSizes(cycles.sizes),
      ],
    };
  },
};

/** A server's size after so many cycles. */
interface SizeAt extends ProcessSize {
  readonly cycle: number;
}

interface Cycles {
  readonly asked: number;
  readonly times: readonly number[];
  readonly failures: readonly string[];
  readonly sizes: readonly SizeAt[];
}

async function runCycles(run: BenchRun, server: BenchServer): Promise<Cycles> {
  const answer = new FirstAnswer(server, SNAPSHOT);
  const [times, failures, sizes]: [number[], string[], SizeAt[]] = [[], [], []];
  const deadline = Date.now() + LIMIT_MS;
  const every = Math.max(1, Math.floor(run.rounds / SAMPLES));
  for (let cycle = 0; cycle <= run.rounds; cycle++) {
    if (cycle % every === 0) sizes.push({ cycle, ...(await processSize(server.pid)) });
    if (cycle % (10 * every) === 0) run.say(`${cycle} of ${run.rounds} cycles, ${sizes.at(-1)?.memoryMb} MB`);
    if (cycle === run.rounds) break;
    if (Date.now() > deadline) throw new Error(`${cycle} of ${run.rounds} cycles took ${LIMIT_MS / 60_000} minutes`);
    await answer.measure(run.signal).then(
      (ms) => times.push(ms),
      (error: unknown) => failures.push(`cycle ${cycle}: ${error instanceof Error ? error.message : String(error)}`),
    );
    run.signal.throwIfAborted();
  }
  return { asked: run.rounds, times, failures, sizes };
}

function growth(sizes: readonly SizeAt[]): Quantity[] {
  const last = sizes.at(-1)?.cycle ?? 0;
  const settled = sizes.filter(({ cycle }) => cycle >= last * WARM_UP_SHARE);
  const per1000 = (pick: (size: SizeAt) => number) =>
    roundTo(1000 * slope(settled.map((size) => ({ x: size.cycle, y: pick(size) }))), 1);
  return [
    { name: NAMES.memory, value: per1000(({ memoryMb }) => memoryMb), unit: "MB" },
    { name: NAMES.files, value: per1000(({ files }) => files), unit: "files" },
    { name: NAMES.threads, value: per1000(({ threads }) => threads), unit: "threads" },
  ];
}

function describeSizes(sizes: readonly SizeAt[]): { about: string; text: string }[] {
  const at = [0, 0.5, 1].map((share) => sizes[Math.round(share * (sizes.length - 1))]);
  const row = (pick: (size: SizeAt) => number) => at.map((size) => (size ? pick(size) : "?")).join(", ");
  return [
    { about: NAMES.memory, text: `${row(({ memoryMb }) => memoryMb)} MB at the start, in the middle, at the end` },
    { about: NAMES.files, text: `${row(({ files }) => files)} at the start, in the middle, at the end` },
    { about: NAMES.threads, text: `${row(({ threads }) => threads)} at the start, in the middle, at the end` },
  ];
}

async function sizeAtRest(run: BenchRun, { pid }: BenchServer): Promise<ProcessSize> {
  await sleep(run.isQuick ? 1_000 : IDLE_MS, undefined, { signal: run.signal });
  return await processSize(pid);
}
