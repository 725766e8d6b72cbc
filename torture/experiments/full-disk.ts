import type { Experiment } from "../experiment";
import { FullDiskSite } from "../full-disk-site";

const ROUNDS = { short: 2, long: 60 } as const;

/** Disks on which nothing more fits. */
export const fullDisk: Experiment = {
  name: "full-disk",
  promise:
    "On a disk that is full, the server lives and says so; what is there can be read, run and deleted, that makes room, and nothing is lost or half there.",
  method:
    "The home lies on a small disk of its own, which is filled to the last bytes or inodes, before people build, upload, create, write, checkpoint and hibernate, or while they do. What they are told is looked at; then things are deleted and collected, and when there is room again everything that was kept is compared, and built upon.",
  share: 2,
  async run(run) {
    const site = await FullDiskSite.open(run);
    for (let round = 0; round < ROUNDS[run.size] && (run.size === "short" || Date.now() < run.deadline); round += 1) {
      run.signal.throwIfAborted();
      await site.round(round % 2 === 0 ? "bytes" : "inodes", run.random() < 0.5 ? "before" : "while");
      run.say(`${round + 1} rounds`);
    }
    const leaked = await site.close();
    return { counts: site.counts, lost: site.lost, leaked, broken: site.broken };
  },
};
