import { assertNever } from "../src/errors";
import { FAILPOINTS, type Failpoint } from "../src/failpoint";
import { Died, type KillSite } from "./kill-site";
import * as sandboxes from "./sandbox-deeds";
import type { Deed } from "./snapshot-deeds";
import * as snapshots from "./snapshot-deeds";

const WORKERS = 4;

/** What the traffic is made of, with how often each is done in comparison. */
const MIX: readonly (readonly [Deed, number])[] = [
  [snapshots.build, 5],
  [snapshots.promote, 2],
  [snapshots.deleteVersion, 1],
  [sandboxes.create, 5],
  [sandboxes.write, 6],
  [sandboxes.execute, 6],
  [sandboxes.hibernate, 3],
  [sandboxes.wake, 3],
  [sandboxes.checkpoint, 4],
  [sandboxes.checkpointAsleep, 2],
  [sandboxes.createFromCheckpoint, 3],
  [sandboxes.fork, 2],
  [sandboxes.restore, 2],
  [sandboxes.deleteSandbox, 2],
  [sandboxes.deleteCheckpoint, 1],
  [sandboxes.collect, 2],
];

/** Does what users do, several things at a time, until the server is over or somebody says so. Returns what went wrong. */
export async function keepBusy(site: KillSite, isOver: () => boolean, preferred?: Deed): Promise<string[]> {
  const wrong: string[] = [];
  // A collection waits for a quiet moment, and gives up where none comes.
  const workers = preferred === sandboxes.collect ? 1 : WORKERS;
  const works = Array.from({ length: workers }, async (_, index) => {
    while (site.server.isAlive && !isOver()) {
      const deed = index === 0 && preferred ? preferred : choose(site);
      try {
        // Where there is nothing to do it with, something is made first.
        if ((await deed(site)) || (await snapshots.build(site))) site.ledger.acknowledged += 1;
      } catch (error) {
        if (error instanceof Died) return;
        wrong.push(error instanceof Error ? error.message : String(error));
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  await Promise.all(works);
  return wrong;
}

function choose(site: KillSite): Deed {
  let left = site.between(0, MIX.reduce((sum, [, share]) => sum + share, 0) - 1);
  for (const [deed, share] of MIX) {
    left -= share;
    if (left < 0) return deed;
  }
  return snapshots.build;
}

/** Where a failpoint stands: what comes there, or that only the start of a server does. */
export type Way = Deed | "start" | "first start";

/** How the traffic comes to a failpoint. */
export function wayTo(failpoint: Failpoint): Way {
  const [area, moment] = failpoint.split(".") as [Area, string];
  switch (area) {
    case "base":
      return "first start";
    case "start":
      return "start";
    case "blob":
    case "build":
    case "layer":
    case "step":
      return snapshots.build;
    case "snapshot":
      if (moment === "promoted") return snapshots.promote;
      return moment === "deleted" ? snapshots.deleteVersion : snapshots.build;
    case "checkpoint":
      return sandboxes.checkpoint;
    case "collect":
      return sandboxes.collect;
    case "container":
    case "network":
    case "create":
      return sandboxes.create;
    case "sandbox":
      return moment === "buried" ? sandboxes.deleteSandbox : sandboxes.create;
    case "delete":
      return sandboxes.deleteSandbox;
    case "flatten":
      return sandboxes.deep;
    case "fork":
      return sandboxes.fork;
    case "hibernate":
    case "sleep":
      return sandboxes.hibernate;
    case "memory":
      return moment === "shared" ? sandboxes.checkpointAsleep : sandboxes.hibernate;
    case "move":
      return sandboxes.checkpointAsleep;
    case "restore":
      return sandboxes.restore;
    case "wake":
      return sandboxes.wake;
    default:
      return assertNever(area);
  }
}

type AreaOf<F extends string> = F extends `${infer A}.${string}` ? A : never;
type Area = AreaOf<Failpoint>;

/** Those that a server on this runtime comes to: only gVisor keeps memory. */
export function failpointsOf(runtime: "runc" | "runsc"): Failpoint[] {
  const onlyMemory = (one: Failpoint) => one.startsWith("memory.") || one === "sleep.ended";
  return FAILPOINTS.filter((one) => runtime === "runsc" || !onlyMemory(one));
}
