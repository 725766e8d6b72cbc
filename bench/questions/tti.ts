import { Image } from "../../src/image/image";
import { BareRuntime } from "../bare-runtime";
import { packBase } from "../base-archive";
import type { BenchRun } from "../bench-run";
import { type BenchServer, startBenchServer } from "../bench-server";
import type { Benchmark, Outcome } from "../benchmark";
import { type Absence, compare, type Side, timed, toAbsence } from "../comparison";
import { type Crowd, createCrowd } from "../crowd";
import { DOCKER_LIMITS, useDocker } from "../docker";
import { FirstAnswer } from "../first-answer";
import { roundTo } from "../statistics";
import { WarmPool } from "../warm-pool";

const RUNTIMES = ["runc", "runsc"] as const;
type Runtime = (typeof RUNTIMES)[number];

const bareName = (kind: Runtime) => `bare \`${kind} run\``;
const ownName = (kind: Runtime) => `sandbox, ${kind}`;
const warmName = (kind: Runtime) => `sandbox of a warm pool, ${kind}`;
const DOCKER = "`docker run --rm`";
const SNAPSHOT = "bench";
const WARM = "bench-warm";
const CROWDS = [
  { way: "one every 200 ms", everyMs: 200 },
  { way: "all at once", everyMs: 0 },
] as const;
const crowdName = (kind: Runtime, way: string) => `${ownName(kind)}, ${way}`;
const successName = (kind: Runtime) => `sandboxes that answered, ${kind}`;

/**
 * Time to interactive: from `create` on a ready snapshot until its first command has answered, over HTTP with the
 * SDK's client. Beside it the runtime by hand, and Docker. Then a hundred at a time.
 */
export const tti: Benchmark = {
  name: "tti",
  question: "from a ready snapshot to the first command's answer",
  rounds: { full: 100, quick: 3 },
  rivals: ["docker"],
  targets: [
    { kind: "ratio", side: ownName("runc"), over: bareName("runc"), atMost: 2 },
    { kind: "ratio", side: ownName("runc"), over: DOCKER, atMost: 0.35 },
    { kind: "ratio", side: ownName("runsc"), over: bareName("runsc"), atMost: 1.6 },
    { kind: "ratio", side: warmName("runc"), over: bareName("runc"), atMost: 0.6 },
    { kind: "least", quantity: successName("runc"), limit: 100 },
    { kind: "least", quantity: successName("runsc"), limit: 100 },
  ],
  run: async (run) => {
    const runc = await prepare(run, "runc");
    const contenders = [runc, await prepare(run, "runsc")];
    const docker = await dockerSide(run, runc.bare);
    const sides = [...contenders.flatMap(({ sides: own }) => own), ...("measure" in docker ? [docker] : [])];
    const { rounds, signal, onRound } = run;
    const { figures, absences } = await compare(sides, { rounds, signal, onRound });
    const outcomes: Outcome[] = [];
    for (const contender of contenders) outcomes.push(await askCrowds(run, contender));
    return {
      figures: [...figures, ...outcomes.flatMap((outcome) => outcome.figures)],
      absences: [...absences, ...("why" in docker ? [docker] : [])],
      quantities: outcomes.flatMap(({ quantities = [] }) => quantities),
      notes: outcomes.flatMap(({ notes = [] }) => notes),
      facts: { base: runc.server.info.base },
    };
  },
};

/** One runtime, by hand and through us. */
interface Contender {
  readonly kind: Runtime;
  readonly server: BenchServer;
  readonly bare: BareRuntime;
  readonly cold: FirstAnswer;
  readonly warm: FirstAnswer;
  readonly sides: readonly Side[];
}

async function prepare(run: BenchRun, kind: Runtime): Promise<Contender> {
  const server = await startBenchServer(run, { runtime: kind });
  const bare = await BareRuntime.prepare(run, kind, server.home);
  await server.api.createSnapshot({ name: SNAPSHOT, image: Image.base().resolve() });
  const [cold, warm] = [new FirstAnswer(server, SNAPSHOT), new FirstAnswer(server, WARM)];
  const pool = new WarmPool(server, WARM);
  const sides: Side[] = [
    { name: bareName(kind), measure: () => timed(() => bare.run(["true"])) },
    { name: ownName(kind), measure: () => cold.measure(run.signal) },
    { name: warmName(kind), prepare: () => pool.fill(run.signal), measure: () => warm.measure(run.signal) },
  ];
  return { kind, server, bare, cold, warm, sides };
}

async function dockerSide(run: BenchRun, runc: BareRuntime): Promise<Side | Absence> {
  try {
    const { call, image } = await useDocker(run, () => packBase(run, runc));
    const args = ["run", "--rm", "--network", "none", ...DOCKER_LIMITS, image, "true"];
    return { name: DOCKER, measure: () => timed(() => call(args)) };
  } catch (error) {
    run.signal.throwIfAborted();
    return toAbsence(DOCKER, error);
  }
}

/** Everybody at a time, after the comparison: success counts over all sandboxes that were asked for. */
async function askCrowds(run: BenchRun, { kind, server, cold, warm }: Contender): Promise<Outcome> {
  await server.api.updateSnapshot(WARM, { warmPool: 0 }).catch(() => undefined);
  const crowds: Crowd[] = [];
  for (const { way, everyMs } of CROWDS) {
    run.say(`${run.rounds} sandboxes, ${way}, ${kind}`);
    crowds.push(
      await createCrowd(run, server, crowdName(kind, way), { snapshot: SNAPSHOT, count: run.rounds, everyMs }),
    );
  }
  const asked = cold.asked + crowds.reduce((sum, crowd) => sum + crowd.asked, 0);
  const done = cold.answered + crowds.reduce((sum, crowd) => sum + crowd.done, 0);
  const failures = crowds.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  return {
    figures: crowds.map(({ figures }) => figures),
    quantities: [{ name: successName(kind), value: roundTo((100 * done) / asked, 1), unit: "%" }],
    notes: [
      ...cold.describe(ownName(kind)),
      ...warm.describe(warmName(kind)),
      ...failures.map((text) => ({ about: successName(kind), text })),
    ],
  };
}
