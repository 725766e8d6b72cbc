import { FAILPOINTS, type Failpoint } from "../../src/failpoint";
import type { Experiment, Findings } from "../experiment";
import { failpointsOf, wayTo } from "../kill-traffic";
import { Siege } from "../siege";
import type { TortureRun } from "../torture-run";

const SHORT_KILLS = 20;
const LONG_KILLS = 200;
/** One of so many rounds also loses all that is not on disk. */
const REBOOT_EVERY = 5;

/** `kills`: nothing acknowledged is lost, whenever the server dies. */
export const kills: Experiment = {
  name: "kills",
  promise:
    "What was acknowledged is there byte for byte after the server was killed, whenever that was: snapshots, checkpoints, the files of sandboxes, and that something was deleted; nothing is left half done or belongs to nobody.",
  method:
    "Four users build, promote, checkpoint, fork, write, hibernate, restore, delete and collect at once, and a ledger keeps what was answered. The server is killed at random moments and at every named failpoint, sometimes with all that a restart of the machine loses; after every other kill everything in the ledger is read and compared, and what is on the machine and in the home is counted against the rows.",
  run: (run) => (run.size === "short" ? short(run) : long(run)),
};

async function short(run: TortureRun): Promise<Findings> {
  const failpoints = shuffled(
    run,
    failpointsOf("runc").filter((one) => wayTo(one) !== "first start"),
  );
  const siege = await Siege.open(run, "runc", []);
  for (let round = 0; siege.kills < SHORT_KILLS && !run.signal.aborted; round++) {
    await siege.round(failpoints[round], round % REBOOT_EVERY === 2);
  }
  await siege.close();
  return toFindings([siege]);
}

async function long(run: TortureRun): Promise<Findings> {
  const atFirst = FAILPOINTS.filter((one) => wayTo(one) === "first start");
  const runc = await Siege.open(run, "runc", atFirst);
  const runsc = await Siege.open(run, "runsc", []);
  const sieges = [runc, runsc] as const;
  const queues = new Map<Siege, Failpoint[]>(sieges.map((siege) => [siege, queueOf(run, siege)]));
  const count = () => runc.kills + runsc.kills;
  for (let round = 0; Date.now() < run.deadline && !run.signal.aborted; round++) {
    const siege = sieges[round % 2] ?? runc;
    const failpoint = queues.get(siege)?.shift();
    if (failpoint === undefined && count() >= LONG_KILLS) break;
    await siege.round(failpoint, round % REBOOT_EVERY === 2);
  }
  for (const siege of sieges) await siege.close();
  const missed = FAILPOINTS.filter((one) => !sieges.some(({ reached }) => reached.has(one)));
  return toFindings(sieges, [...missed.map((one) => `no server came to the failpoint ${one}`), ...tooFew(count())]);
}

/** Those that only gVisor comes to first: the others have two chances. */
function queueOf(run: TortureRun, { runtime }: Siege): Failpoint[] {
  const others = failpointsOf("runc").filter((one) => wayTo(one) !== "first start");
  const own = failpointsOf(runtime).filter((one) => wayTo(one) !== "first start" && !others.includes(one));
  return [...own, ...shuffled(run, others)];
}

function tooFew(count: number): string[] {
  return count < LONG_KILLS ? [`there was time for ${count} of ${LONG_KILLS} kills`] : [];
}

function toFindings(sieges: readonly Siege[], more: readonly string[] = []): Findings {
  const sum = (of: (siege: Siege) => number) => sieges.reduce((total, siege) => total + of(siege), 0);
  const all = (kind: "lost" | "leaked" | "broken") => sieges.flatMap(({ damage }) => damage[kind]);
  return {
    counts: {
      kills: sum((siege) => siege.kills),
      "failpoints reached": new Set(sieges.flatMap(({ reached }) => [...reached])).size,
      "machine restarts": sum((siege) => siege.reboots),
      "changes acknowledged": sum((siege) => siege.acknowledged),
      "files compared": sum((siege) => siege.files),
    },
    lost: all("lost"),
    leaked: all("leaked"),
    broken: [...all("broken"), ...more],
  };
}

function shuffled<T>(run: TortureRun, items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: run.random() }))
    .sort((one, other) => one.place - other.place)
    .map(({ item }) => item);
}
