import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import SqliteDatabase from "better-sqlite3";
import { containersOf, homeCensus } from "../../test/fixtures/home-census";
import { RealServer } from "../../test/fixtures/real-server";
import { tinyBaseEnvironment } from "../../test/fixtures/tiny-base";
import type { Experiment, Findings } from "../experiment";
import { LoopDisk } from "../loop-disk";
import { endMachine } from "../machine-end";
import { ask, PowerTraffic, problemsOf } from "../power-traffic";
import type { TortureRun } from "../torture-run";

const MEGABYTES = 1024;
const CUTS = { short: 2, long: 400 } as const;

/** Power cuts in the middle of everything. */
export const power: Experiment = {
  name: "power",
  promise: "What was acknowledged survives a power cut, byte for byte, and nothing else is half there.",
  method:
    "The home lies on a disk of its own that loses power (`EXT4_IOC_SHUTDOWN`: nothing more reaches it, the journal neither) at random and right after acknowledgements, while people build, delete, checkpoint and hibernate. The processes die, the disk is mounted again, and everything that was acknowledged is opened and compared.",
  share: 5,
  async run(run) {
    const runtimes = run.size === "short" ? (["runc"] as const) : (["runc", "runsc"] as const);
    const findings: Mutable = { counts: {}, lost: [], leaked: [], broken: [] };
    for (const [index, runtime] of runtimes.entries()) {
      const left = run.deadline - Date.now();
      const until = Date.now() + left / (runtimes.length - index);
      await attack(run, runtime, until, findings);
    }
    return findings;
  },
};

type Mutable = { -readonly [Part in keyof Findings]: Part extends "counts" ? Record<string, number> : string[] };

async function attack(run: TortureRun, runtime: "runc" | "runsc", until: number, findings: Mutable): Promise<void> {
  const dir = join(run.dir, runtime);
  const disk = await LoopDisk.make(run, join(dir, "home"), { megabytes: MEGABYTES });
  const server = new RealServer({ dir, runtime });
  const env = tinyBaseEnvironment(dir);
  run.defer(async () => {
    await server.end("SIGKILL");
    await endMachine(server.home);
  });
  await server.start(env);
  const traffic = new PowerTraffic(server, run, runtime === "runsc" ? ["disk_only", "full"] : ["disk_only"]);
  for (let cut = 0; cut < CUTS[run.size] && (run.size === "short" || Date.now() < until); cut += 1) {
    run.signal.throwIfAborted();
    const before = new Set(traffic.kept.keys());
    await cutPower(run, server, disk, traffic);
    add(findings.counts, "power cuts", 1);
    await server.start(env);
    findings.broken.push(...databaseProblems(server.home), ...(await halfThere(server, traffic)));
    const rest = run.size === "short" ? 0.5 : 0.1;
    const looked = [...traffic.kept.keys()].filter((what) => !before.has(what) || run.random() < rest);
    await compare(server, traffic, looked, findings);
    run.say(`${runtime}: ${cut + 1} cuts, ${traffic.counts.acknowledged} acknowledged`);
  }
  if (run.size === "long") await compare(server, traffic, [...traffic.kept.keys()], findings);
  // A short run does not come to everything.
  for (const [what, count] of Object.entries(traffic.counts)) if (count > 0) add(findings.counts, what, count);
  findings.leaked.push(...(await leftovers(server, disk)));
}

/** At a random moment, or as soon as something was acknowledged. */
async function cutPower(run: TortureRun, server: RealServer, disk: LoopDisk, traffic: PowerTraffic): Promise<void> {
  const stop = new AbortController();
  const work = traffic.work(stop.signal);
  const patience = sleep(20_000, undefined, { ref: false });
  const isRandom = traffic.kept.size > 0 && run.random() < 0.4;
  await (isRandom ? sleep(run.between(200, 2_500)) : Promise.race([traffic.acknowledged(run.between(1, 8)), patience]));
  await disk.cutPower();
  // What it says in this last moment counts, too.
  await sleep(run.between(0, 60));
  await server.end("SIGKILL");
  stop.abort();
  await work;
  await endMachine(server.home);
  await disk.restorePower();
}

function databaseProblems(home: string): string[] {
  const database = new SqliteDatabase(join(home, "server.db"), { readonly: true });
  try {
    const [row] = database.pragma("integrity_check") as { integrity_check: string }[];
    return row?.integrity_check === "ok" ? [] : [`the database: ${JSON.stringify(row)}`];
  } finally {
    database.close();
  }
}

/** Rows and folders that say that something is going on, or that nobody knows; and names that came back. */
async function halfThere(server: RealServer, traffic: PowerTraffic): Promise<string[]> {
  const snapshots = (await ask(server, "GET", "/snapshots")) as unknown as { name: string; status: string }[];
  const sandboxes = (await ask(server, "GET", "/sandboxes")) as unknown as { sandboxID: string; status: string }[];
  const folders = await readdir(join(server.home, "sandboxes"));
  const known = sandboxes.map(({ sandboxID }) => sandboxID);
  return [
    ...snapshots.filter(({ status }) => status === "building").map(({ name }) => `snapshot ${name} still builds`),
    ...snapshots.filter(({ name }) => traffic.gone.has(name)).map(({ name }) => `snapshot ${name} came back`),
    ...sandboxes
      .filter(({ status }) => status === "running")
      .map(({ sandboxID }) => `sandbox ${sandboxID} is said to run`),
    ...folders.filter((id) => !known.includes(id)).map((id) => `nobody knows sandbox ${id}`),
    ...(await readdir(join(server.home, "active"))).map((name) => `active/${name} is left`),
  ];
}

async function compare(server: RealServer, traffic: PowerTraffic, keys: readonly string[], findings: Mutable) {
  for (const key of keys) {
    const kept = traffic.kept.get(key);
    if (!kept) continue;
    findings.lost.push(...(await problemsOf(server, kept)));
    add(findings.counts, "comparisons", 1);
  }
}

/** Deletes everything: then nothing may be left but the base. */
async function leftovers(server: RealServer, disk: LoopDisk): Promise<string[]> {
  for (const path of ["/sandboxes", "/snapshots"]) {
    const rows = (await ask(server, "GET", path)) as unknown as { sandboxID: string; name: string }[];
    for (const { sandboxID, name } of rows) await ask(server, "DELETE", `${path}/${sandboxID ?? name}`);
  }
  for (const { sandboxId, id } of (await ask(server, "GET", "/checkpoints")) as unknown as Row[]) {
    await ask(server, "DELETE", `/sandboxes/${sandboxId}/checkpoints/${id}`);
  }
  await ask(server, "POST", "/gc");
  const layers = await readdir(join(server.home, "layers"));
  const memory = await readdir(join(server.home, "memory"));
  await server.end("SIGTERM");
  await disk.remove();
  return [
    ...(layers.length === 1 ? [] : [`${layers.length - 1} layers that nothing needs`]),
    ...memory.map((key) => `memory ${key}`),
    ...(await settledCensus(server.home)),
  ];
}

/** Our own disk stays mounted wherever somebody else's container was just starting; what ends in this moment is no leak. */
async function settledCensus(home: string): Promise<string[]> {
  for (let tries = 0; ; tries += 1) {
    const left = [...containersOf(home), ...homeCensus(home).filter((line) => line !== `mount ${home}`)];
    if (left.length === 0 || tries === 50) return left;
    await sleep(200);
  }
}

interface Row {
  readonly sandboxId: string;
  readonly id: string;
}

function add(counts: Record<string, number>, what: string, count: number): void {
  counts[what] = (counts[what] ?? 0) + count;
}
