import { FAILPOINTS, type Failpoint } from "../../src/failpoint";
import type { Experiment, Findings } from "../experiment";
import { failpointsOf, wayTo } from "../kill-traffic";
import { Siege } from "../siege";
import type { TortureRun } from "../torture-run";

const SHORT_KILLS = 20;
const LONG_KILLS = 200;
/** Each after one kill at random. */
const FAILPOINTS_A_ROUND = 2;
/** One of so many rounds also loses all that is not on disk. */
const REBOOT_EVERY = 4;
const ATTEMPTS = 3;

/** `kills`: nothing acknowledged is lost, whenever the server dies. */
export const kills: Experiment = {
  name: "kills",
  promise:
    "What was acknowledged is there byte for byte after the server was killed, whenever that was: snapshots, checkpoints, the files of sandboxes, and that something was deleted; nothing is left half done or belongs to nobody.",
  method:
    "Four users build, promote, checkpoint, fork, write, hibernate, restore, delete and collect at once, and a ledger keeps what was answered. The server is killed at random moments and at every named failpoint, sometimes with all that a restart of the machine loses; after every third kill everything in the ledger is read and compared, and what is on the machine and in the home is counted against the rows.",
  share: 12,
  run: (run) => (run.size === "short" ? short(run) : long(run)),
};

async function short(run: TortureRun): Promise<Findings> {
  const siege = await Siege.open(run, "runc", []);
  const queue = shuffled(run, afterStart("runc"));
  for (let round = 0; siege.kills < SHORT_KILLS && !run.signal.aborted; round++) {
    await siege.round(queue.splice(0, FAILPOINTS_A_ROUND), round % REBOOT_EVERY === 1);
  }
  await siege.close();
  return toFindings([siege]);
}

async function long(run: TortureRun): Promise<Findings> {
  const atFirst = FAILPOINTS.filter((one) => wayTo(one) === "first start");
  const sieges = [await Siege.open(run, "runc", atFirst), await Siege.open(run, "runsc", [])];
  const common = shuffled(run, afterStart("runc"));
  const count = () => sieges.reduce((sum, siege) => sum + siege.kills, 0);
  // From both ends, so that together they have come to all when each is half through.
  await Promise.all(
    sieges.map((siege) => {
      const own = afterStart(siege.runtime).filter((one) => !common.includes(one));
      const queue = siege.runtime === "runc" ? [...common] : [...own, ...[...common].reverse()];
      return attack(run, siege, queue, () => count() >= LONG_KILLS);
    }),
  );
  for (const siege of sieges) await siege.close();
  const missed = FAILPOINTS.filter((one) => !sieges.some(({ reached }) => reached.has(one)));
  return toFindings(sieges, [...missed.map((one) => `no server came to the failpoint ${one}`), ...tooFew(count())]);
}

/** Until all failpoints were tried and there were kills enough, or time is up. */
async function attack(run: TortureRun, siege: Siege, queue: Failpoint[], isEnough: () => boolean): Promise<void> {
  const tried = new Map<Failpoint, number>();
  for (let round = 0; Date.now() < run.deadline && !(queue.length === 0 && isEnough()); round++) {
    run.signal.throwIfAborted();
    const next = queue.splice(0, FAILPOINTS_A_ROUND);
    await siege.round(next, round % REBOOT_EVERY === 1);
    for (const failpoint of next.filter((one) => !siege.reached.has(one))) {
      tried.set(failpoint, (tried.get(failpoint) ?? 0) + 1);
      if ((tried.get(failpoint) ?? 0) < ATTEMPTS) queue.push(failpoint);
    }
  }
}

/** Those that any start comes to, not only the first of a home. */
function afterStart(runtime: "runc" | "runsc"): Failpoint[] {
  return failpointsOf(runtime).filter((one) => wayTo(one) !== "first start");
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
