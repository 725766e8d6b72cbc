import { prepareBareRuntime } from "../bare-runtime";
import type { BenchRun } from "../bench-run";
import { startBenchServer } from "../bench-server";
import type { Benchmark } from "../benchmark";
import { compare, type Side, timed } from "../comparison";

const RUNTIMES = ["runc", "runsc"] as const;
type Runtime = (typeof RUNTIMES)[number];

const bareName = (kind: Runtime) => `bare \`${kind} exec\``;
const ownName = (kind: Runtime) => `exec.run, ${kind}`;

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
    return await compare(sides, { rounds, signal, onRound });
  },
};

async function prepare(run: BenchRun, kind: Runtime): Promise<Side[]> {
  const { api, home } = await startBenchServer(run, { runtime: kind });
  const bare = await prepareBareRuntime(run, kind, home);
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
  ];
}
