import { BareRuntime } from "../bare-runtime";
import type { BenchRun } from "../bench-run";
import { startBenchServer } from "../bench-server";
import type { Benchmark, Note } from "../benchmark";
import { type Comparison, compare, type Side, timed } from "../comparison";
import { describeMs } from "../target";

const RUNTIMES = ["runc", "runsc"] as const;
type Runtime = (typeof RUNTIMES)[number];

const bareName = (kind: Runtime) => `bare \`${kind} exec\``;
const ownName = (kind: Runtime) => `exec.run, ${kind}`;
/** What is HTTP's own share of a command. */
const requestName = (kind: Runtime) => `a request that runs nothing, ${kind}`;

/** A command in a sandbox that runs, from the client's call to its result, beside the runtime's own exec. */
export const exec: Benchmark = {
  name: "exec",
  question: "a command in a running sandbox",
  rounds: { full: 100, quick: 5 },
  rivals: [],
  targets: [{ kind: "ratio", side: ownName("runc"), over: bareName("runc"), atMost: 1.3 }],
  run: async (run) => {
    const sides: Side[] = [];
    for (const kind of RUNTIMES) sides.push(...(await prepare(run, kind)));
    const { rounds, signal, onRound } = run;
    const comparison = await compare(sides, { rounds, signal, onRound });
    return { ...comparison, notes: RUNTIMES.flatMap((kind) => describe(kind, comparison)) };
  },
};

function describe(kind: Runtime, { figures }: Comparison): Note[] {
  const request = figures.find(({ name }) => name === requestName(kind));
  return request ? [{ about: ownName(kind), text: `${requestName(kind)}, takes ${describeMs(request.p50)}` }] : [];
}

async function prepare(run: BenchRun, kind: Runtime): Promise<Side[]> {
  const { api, home } = await startBenchServer(run, { runtime: kind });
  const bare = await BareRuntime.prepare(run, kind, home);
  const id = `oc-bench-${process.pid}-exec`;
  await bare.start(id, ["sleep", "infinity"]);
  const { sandboxID } = await api.createSandbox({}, { signal: run.signal });
  const own = async () => {
    const { exitCode } = await api.exec(sandboxID, { cmd: "true" }, { signal: run.signal });
    if (exitCode !== 0) throw new Error(`the command ended with ${exitCode}`);
  };
  return [
    { name: bareName(kind), measure: () => timed(() => bare.exec(id, ["true"])) },
    { name: ownName(kind), measure: () => timed(own) },
    { name: requestName(kind), measure: () => timed(() => api.info({ signal: run.signal })) },
  ];
}
