import { BareRuntime } from "../bare-runtime";
import type { BenchServer } from "../bench-server";
import type { Benchmark, Note } from "../benchmark";
import { type BuildClock, describeBuilds } from "../build-clock";
import { buildWith, prepareBuilders } from "../builders";
import { compare, type Side, timed, toAbsence } from "../comparison";
import type { Recipe } from "../recipe";
import { type Figures, roundTo, toFigures } from "../statistics";
import type { Quantity } from "../target";

const STEP = "the changed step by itself";
const OWN = "one line of the last of 8 steps changed";
const BUILDKIT = "the same with BuildKit";
/** Steps that do nothing come one by one on top of one: the difference is theirs alone. */
const NOTHING = 8;
const ownNothing = (steps: number) => (steps === 1 ? "1 step that does nothing" : `${steps} steps that do nothing`);
const buildkitNothing = (steps: number) => `${ownNothing(steps)}, BuildKit`;
const NOTHING_RATIO = "a step that does nothing";
const UNIT = "× BuildKit";
/** What no step can do without: a container that starts and ends. */
const BARE = "bare `runc run true`";

/** The change of a line: the earlier steps are built already on both sides. */
export const rebuild: Benchmark = {
  name: "rebuild",
  question: "one line changed in the last of 8 steps",
  rounds: { full: 20, quick: 2 },
  rivals: ["buildkit"],
  targets: [
    { kind: "margin", side: OWN, over: STEP, atMostMs: 500 },
    { kind: "ratio", side: OWN, over: BUILDKIT, atMost: 1 },
    { kind: "most", quantity: NOTHING_RATIO, limit: 0.5 },
  ],
  run: async (run) => {
    const { buildkit, startServer } = await prepareBuilders(run);
    const server = await startServer("rebuild");
    const bare = await BareRuntime.prepare(run, "runc", server.home);
    const clocks: BuildClock[] = [];
    const sides: Side[] = [
      { name: BARE, measure: () => timed(() => bare.run(["true"])) },
      ...ownSides(server, run.signal, clocks),
      ...("build" in buildkit ? buildkitSides((recipe) => buildkit.build(recipe)) : []),
    ];
    const { rounds, signal, onRound } = run;
    const { figures, absences } = await compare(sides, { rounds, signal, onRound });
    // The first build is that of the round that is not measured.
    const counted = clocks.slice(1);
    return {
      figures: [toFigures(STEP, counted.map(readStepMs)), ...figures],
      absences: [...absences, ...("build" in buildkit ? [] : [toAbsence(BUILDKIT, buildkit)])],
      quantities: nothingQuantities(figures),
      notes: [{ about: OWN, text: describeBuilds(counted) }, ...nothingNotes(figures)],
      facts: { buildkit: "version" in buildkit ? buildkit.version : "none" },
    };
  },
};

function ownSides(server: BenchServer, signal: AbortSignal, clocks: BuildClock[]): Side[] {
  return [
    {
      name: OWN,
      measure: () =>
        timed(async () => {
          clocks.push(await buildWith(server, changedRecipe(), signal));
        }),
    },
    ...[1, 1 + NOTHING].map((steps) => ({
      name: ownNothing(steps),
      measure: () => timed(() => buildWith(server, nothingRecipe(steps), signal)),
    })),
  ];
}

function buildkitSides(build: (recipe: Recipe) => Promise<void>): Side[] {
  return [
    { name: BUILDKIT, measure: () => timed(() => build(changedRecipe())) },
    ...[1, 1 + NOTHING].map((steps) => ({
      name: buildkitNothing(steps),
      measure: () => timed(() => build(nothingRecipe(steps))),
    })),
  ];
}

let changes = 0;

/** Eight steps of an ordinary image; the last takes about half a second and says how long that was. */
function changedRecipe(): Recipe {
  const work = `python3 -c "print(sum(n * n for n in range(3000000)))" > /workspace/sum-${changes++}`;
  return [
    { kind: "apt", packages: ["oc-needs-hello"] },
    { kind: "pip", packages: ["oc-needs-greet"] },
    { kind: "workdir", path: "/workspace" },
    { kind: "env", name: "STAGE", value: "bench" },
    { kind: "file", path: "/workspace/settings.json", text: '{ "stage": "bench" }\n' },
    { kind: "run", command: "oc-hello > /workspace/hello" },
    { kind: "run", command: "seq 1000 | xargs -n 1 touch" },
    { kind: "run", command: `s=$(date +%s%N); ${work}; e=$(date +%s%N); echo step-took-$(( (e - s) / 1000 ))-us` },
  ];
}

/** Of the step's own clock. */
function readStepMs({ lines }: BuildClock): number {
  const microseconds = lines.map((line) => /step-took-(\d+)-us/.exec(line)?.[1]).find(Boolean);
  if (!microseconds) throw new Error(`the last step did not say how long it took; it said ${JSON.stringify(lines)}`);
  return Number(microseconds) / 1000;
}

/** Never built before, as its first line is new. */
function nothingRecipe(steps: number): Recipe {
  const first: Recipe = [{ kind: "env", name: "ROUND", value: String(changes++) }];
  return [...first, ...Array.from({ length: steps }, (_, index) => ({ kind: "run", command: `: ${index}` }) as const)];
}

/** What one of the steps that do nothing takes, in milliseconds. */
function perStep(figures: readonly Figures[], name: (steps: number) => string): number | undefined {
  const [one, many] = [1, 1 + NOTHING].map((steps) => figures.find((found) => found.name === name(steps))?.p50);
  return one === undefined || many === undefined ? undefined : (many - one) / NOTHING;
}

function nothingNotes(figures: readonly Figures[]): Note[] {
  const own = perStep(figures, ownNothing);
  const bare = figures.find(({ name }) => name === BARE)?.p50;
  if (own === undefined || bare === undefined) return [];
  return [{ about: NOTHING_RATIO, text: `${roundTo(own, 1)} ms, of which ${BARE} takes ${roundTo(bare, 1)} ms` }];
}

function nothingQuantities(figures: readonly Figures[]): Quantity[] {
  const [own, buildkit] = [perStep(figures, ownNothing), perStep(figures, buildkitNothing)];
  return [
    ...(own === undefined ? [] : [{ name: "a step that does nothing takes", value: roundTo(own, 1), unit: "ms" }]),
    ...(buildkit === undefined ? [] : [{ name: "in BuildKit", value: roundTo(buildkit, 1), unit: "ms" }]),
    ...(own === undefined || buildkit === undefined
      ? []
      : [{ name: NOTHING_RATIO, value: roundTo(own / buildkit, 2), unit: UNIT }]),
  ];
}
