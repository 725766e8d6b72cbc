import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BareRuntime } from "../bare-runtime";
import type { BenchRun } from "../bench-run";
import { startBenchServer } from "../bench-server";
import type { Benchmark, Note } from "../benchmark";
import { compare, type Side, timed } from "../comparison";
import { CpuWatch } from "../cpu-time";
import { roundTo } from "../statistics";
import { describeMs } from "../target";

const MIB = 1024 ** 2;
const RUNTIMES = ["runc", "runsc"] as const;
type Runtime = (typeof RUNTIMES)[number];
type Direction = "up" | "down";

const bareName = (kind: Runtime, way: Direction) => `\`cat\` through \`${kind} exec\`, ${way}`;
const ownName = (kind: Runtime, way: Direction) => `files, ${kind}, ${way}`;

/** A file of one GiB into a sandbox and out of it, beside `cat` through the runtime's own exec. */
export const files: Benchmark = {
  name: "files",
  question: "1 GiB into a sandbox and out of it",
  rounds: { full: 10, quick: 1 },
  rivals: [],
  // Half the speed is twice the time.
  targets: (["up", "down"] as const).map((way) => ({
    kind: "ratio",
    side: ownName("runc", way),
    over: bareName("runc", way),
    atMost: 2,
  })),
  run: async (run) => {
    const sizeBytes = (run.isQuick ? 64 : 1024) * MIB;
    const file = await makeFile(run, sizeBytes);
    const parts: Part[] = [];
    for (const kind of RUNTIMES) parts.push(await prepare(run, kind, { file, sizeBytes }));
    const { rounds, signal, onRound } = run;
    const sides = parts.flatMap((part) => part.sides);
    const { figures, absences } = await compare(sides, { rounds, signal, onRound });
    const speeds = figures.map(({ name, p50 }) => ({
      name: `speed of ${name}`,
      value: roundTo(sizeBytes / MIB / (p50 / 1000), 0),
      unit: "MiB/s",
    }));
    const notes = parts.flatMap((part) => part.notes());
    return { figures, absences, quantities: speeds, notes, facts: { size: `${sizeBytes / MIB} MiB` } };
  },
};

/** One runtime: its sides, and afterwards where their time went. */
interface Part {
  readonly sides: readonly Side[];
  readonly notes: () => Note[];
}

interface Cargo {
  readonly file: string;
  readonly sizeBytes: number;
}

async function makeFile(run: BenchRun, sizeBytes: number): Promise<string> {
  const file = join(run.dir, "cargo");
  const block = randomBytes(16 * MIB);
  const output = createWriteStream(file);
  for (let written = 0; written < sizeBytes; written += block.length) {
    if (!output.write(block)) await once(output, "drain");
  }
  output.end();
  await once(output, "finish");
  return file;
}

async function prepare(run: BenchRun, kind: Runtime, { file, sizeBytes }: Cargo): Promise<Part> {
  const { api, home, pid } = await startBenchServer(run, { runtime: kind });
  const bare = await BareRuntime.prepare(run, kind, home);
  const id = `oc-bench-${process.pid}-files`;
  await bare.start(id, ["sleep", "infinity"]);
  const { sandboxID } = await api.createSandbox({}, { signal: run.signal });
  const path = "/tmp/cargo";
  const down = async () => {
    let seen = 0;
    const count = new Writable({
      write(chunk: Buffer, _encoding, done) {
        seen += chunk.length;
        done();
      },
    });
    await pipeline(await api.readFile(sandboxID, path, { signal: run.signal }), count);
    if (seen !== sizeBytes) throw new Error(`${seen} of ${sizeBytes} bytes came out of the sandbox`);
  };
  const up = () =>
    api.writeFile(sandboxID, path, createReadStream(file, { highWaterMark: MIB }), { signal: run.signal });
  const watches = { up: new CpuWatch([process.pid, pid]), down: new CpuWatch([process.pid, pid]) };
  const watched = (way: Direction, act: () => Promise<void>) => () => watches[way].around(() => timed(act));
  return {
    sides: [
      { name: bareName(kind, "up"), measure: () => timed(() => catUp(bare, id, file)) },
      { name: ownName(kind, "up"), measure: watched("up", up) },
      { name: bareName(kind, "down"), measure: () => timed(() => catDown(bare, id)) },
      { name: ownName(kind, "down"), measure: watched("down", down) },
    ],
    notes: () => (["up", "down"] as const).map((way) => ({ about: ownName(kind, way), text: describe(watches[way]) })),
  };
}

function describe(watch: CpuWatch): string {
  const [client = Number.NaN, server = Number.NaN] = watch.means();
  return `CPU of the client ${describeMs(client)}, of the server ${describeMs(server)}`;
}

const CAT_TIMEOUT_MS = 300_000;

/** The file is the command's own input: no byte passes through this process. */
async function catUp(bare: BareRuntime, id: string, file: string): Promise<void> {
  const input = await open(file, "r");
  const write = ["sh", "-c", "cat > /tmp/cargo"];
  await bare.exec(id, write, { stdin: input.fd, timeoutMs: CAT_TIMEOUT_MS }).finally(() => input.close());
}

/** Read by this process and dropped, as what comes over HTTP is. */
async function catDown(bare: BareRuntime, id: string): Promise<void> {
  await bare.exec(id, ["cat", "/tmp/cargo"], { stdout: "drain", timeoutMs: CAT_TIMEOUT_MS });
}
