import type { CheckpointInfo } from "../../src/api/records";
import { BareRuntime } from "../bare-runtime";
import { packBase } from "../base-archive";
import type { BenchRun } from "../bench-run";
import { type BenchServer, startBenchServer } from "../bench-server";
import type { Benchmark } from "../benchmark";
import { CheckpointTaker } from "../checkpoint-taker";
import { type Absence, compare, type Side, timed, toAbsence } from "../comparison";
import { useDocker } from "../docker";

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
      [SMALL_MB, LARGE_MB].map((megabytes) => ownPart(run, server, state, megabytes)),
    );
    const { rounds, signal, onRound } = run;
    const sides = [...own.map(({ side }) => side), ...("measure" in docker ? [docker] : [])];
    const { figures, absences } = await compare(sides, { rounds, signal, onRound });
    const notes = own.flatMap(({ side, taker }) => taker.describe(side.name));
    return { figures, absences: [...absences, ...("why" in docker ? [docker] : [])], notes };
  },
};

/** A sandbox for each measurement: what was kept once is no change any more. */
function ownPart(run: BenchRun, server: BenchServer, state: State, megabytes: number) {
  const { api } = server;
  const taker = new CheckpointTaker(server);
  let sandboxId = "";
  const side: Side = {
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
      let kept: CheckpointInfo | undefined;
      const ms = await timed(async () => {
        kept = await taker.take(sandboxId, "disk_only", run.signal);
      });
      await api.killSandbox(sandboxId);
      if (kept) await api.deleteCheckpoint(sandboxId, kept.id);
      await api.collect();
      if (kept && kept.sizeBytes >= megabytes * 1e6) return ms;
      throw new Error(`the checkpoint keeps ${kept?.sizeBytes} bytes of ${megabytes} MB`);
    },
  };
  return { side, taker };
}

async function dockerSide(run: BenchRun, { home }: BenchServer): Promise<Side | Absence> {
  try {
    const runc = await BareRuntime.prepare(run, "runc", home);
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
    return toAbsence(DOCKER, error);
  }
}
