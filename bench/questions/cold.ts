import { rm } from "node:fs/promises";
import type { BenchServer } from "../bench-server";
import type { Benchmark } from "../benchmark";
import { type BuildClock, describeBuilds } from "../build-clock";
import { buildWith, prepareBuilders } from "../builders";
import { compare, type Side, timed, toAbsence } from "../comparison";
import type { Recipe } from "../recipe";

const OWN = "an image of 8 steps, built for the first time";
const BUILDKIT = "the same with BuildKit";

/**
 * A first build, with packages of both kinds from this machine. The base is there on both sides; no step is, and no cache
 * of packages: for us because the home is new, for BuildKit because the first line of the recipe is.
 */
export const cold: Benchmark = {
  name: "cold",
  question: "a first build",
  rounds: { full: 10, quick: 1 },
  rivals: ["buildkit"],
  targets: [{ kind: "ratio", side: OWN, over: BUILDKIT, atMost: 1.15 }],
  run: async (run) => {
    const { buildkit, startServer } = await prepareBuilders(run);
    let homes = 0;
    let server: BenchServer | undefined;
    const clocks: BuildClock[] = [];
    const forget = async () => {
      await server?.stop();
      if (server) await rm(server.home, { recursive: true });
    };
    const own: Side = {
      name: OWN,
      prepare: async () => {
        await forget();
        server = await startServer(`cold-${homes++}`);
      },
      measure: () =>
        timed(async () => {
          if (server) clocks.push(await buildWith(server, recipe(), run.signal));
        }),
    };
    const other: Side[] =
      "build" in buildkit ? [{ name: BUILDKIT, measure: () => timed(() => buildkit.build(recipe())) }] : [];
    const { rounds, signal, onRound } = run;
    const { figures, absences } = await compare([own, ...other], { rounds, signal, onRound });
    return {
      figures,
      absences: [...absences, ...("build" in buildkit ? [] : [toAbsence(BUILDKIT, buildkit)])],
      // The first build is that of the round that is not measured.
      notes: [{ about: OWN, text: describeBuilds(clocks.slice(1)) }],
      facts: { buildkit: "version" in buildkit ? buildkit.version : "none" },
    };
  },
};

let builds = 0;

function recipe(): Recipe {
  return [
    { kind: "env", name: "ROUND", value: String(builds++) },
    { kind: "apt", packages: ["oc-needs-hello"] },
    { kind: "pip", packages: ["oc-needs-greet"] },
    { kind: "workdir", path: "/workspace" },
    { kind: "file", path: "/workspace/settings.json", text: '{ "stage": "bench" }\n' },
    { kind: "run", command: "seq 1000 | xargs -n 1 touch" },
    { kind: "run", command: "python3 -m venv /workspace/venv --without-pip" },
    { kind: "run", command: "oc-hello > /workspace/hello" },
  ];
}
