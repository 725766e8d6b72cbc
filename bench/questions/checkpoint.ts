import { prepareBareRuntime } from "../bare-runtime";
import { packBase } from "../base-archive";
import type { BenchRun } from "../bench-run";
import { type BenchServer, startBenchServer } from "../bench-server";
import type { Benchmark } from "../benchmark";
import { type Absence, absent, compare, type Side, timed } from "../comparison";
import { useDocker } from "../docker";
import { takeCheckpoint } from "../taken-checkpoint";

const SMALL_MB = 10;
const LARGE_MB = 1000;

type State = "stopped" | "running";
const ownName = (state: State, megabytes: number) => `checkpoint of a ${state} sandbox, ${megabytes} MB changed`;
const DOCKER = `\`docker commit\` of a stopped container, ${LARGE_MB} MB changed`;
/** Written out before anything is timed: what is asked is the checkpoint's time, not that of the writes before it. */
const writeCommand = (megabytes: number) =>
  `head -c ${megabytes}000000 /dev/urandom > /tmp/changes && sync /tmp/changes`;
const WRITE_SECONDS = 120;

/** What it costs to keep the files of a sandbox: until the checkpoint is ready, by how much was changed. */
export const checkpoint: Benchmark = {
  name: "checkpoint",
  question: "keeping what a sandbox has on disk",
  rounds: { full: 10, quick: 1 },
  rivals: ["docker"],
  targets: [
    { kind: "ratio", side: ownName("stopped", LARGE_MB), over: ownName("stopped", SMALL_MB), atMost: 1.5 },
    { kind: "ratio", side: ownName("stopped", LARGE_MB), over: DOCKER, atMost: 0.1 },
  ],
  run: async (run) => {
    const server = await startBenchServer(run, { runtime: "runc" });
    const docker = await dockerSide(run, server);
    const own = (["stopped", "running"] as const).flatMap((state) =>
      [SMALL_MB, LARGE_MB].map((megabytes) => ownSide(run, server, state, megabytes)),
    );
    const { rounds, signal, onRound } = run;
    const sides = [...own, ...("measure" in docker ? [docker] : [])];
    const { figures, absences } = await compare(sides, { rounds, signal, onRound });
    return { figures, absences: [...absences, ...("why" in docker ? [docker] : [])] };
  },
};

/** A sandbox for each measurement: what was kept once is no change any more. */
function ownSide(run: BenchRun, { api }: BenchServer, state: State, megabytes: number): Side {
  let sandboxId = "";
  return {
    name: ownName(state, megabytes),
    prepare: async () => {
      const { sandboxID } = await api.createSandbox({}, { signal: run.signal });
      sandboxId = sandboxID;
      const request = { cmd: writeCommand(megabytes), timeout: WRITE_SECONDS };
      const { exitCode, stderr } = await api.exec(sandboxID, request, { signal: run.signal });
      if (exitCode !== 0) throw new Error(`the changes could not be written: ${stderr}`);
      if (state === "stopped") await api.hibernateSandbox(sandboxID, { signal: run.signal });
    },
    measure: async () => {
      let id = "";
      const ms = await timed(async () => {
        ({ id } = await takeCheckpoint(api, sandboxId, "disk_only", run.signal));
      });
      await api.killSandbox(sandboxId);
      await api.deleteCheckpoint(sandboxId, id);
      await api.collect();
      return ms;
    },
  };
}

async function dockerSide(run: BenchRun, { home }: BenchServer): Promise<Side | Absence> {
  try {
    const runc = await prepareBareRuntime(run, "runc", home);
    const { call, image } = await useDocker(run, () => packBase(run, runc));
    const name = `oc-bench-${process.pid}-commit`;
    const write = ["sh", "-c", writeCommand(LARGE_MB)];
    await call(["run", "--name", name, "--network", "none", image, ...write], { timeoutMs: WRITE_SECONDS * 1000 });
    run.defer(() => call(["rm", "--force", name], { signal: AbortSignal.timeout(60_000) }));
    return {
      name: DOCKER,
      measure: async () => {
        const ms = await timed(() => call(["commit", name, `${name}:kept`], { timeoutMs: 300_000 }));
        await call(["image", "rm", "--force", `${name}:kept`]);
        return ms;
      },
    };
  } catch (error) {
    run.signal.throwIfAborted();
    return absent(DOCKER, error instanceof Error ? error.message : String(error));
  }
}
