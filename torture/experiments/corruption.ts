import { chmod, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CorruptionSite, type Damage, flipBit, HOLDS_FILES } from "../corruption-site";
import type { Experiment } from "../experiment";
import type { TortureRun } from "../torture-run";

const ROUNDS = { short: 1, long: 40 } as const;

/** Disks that return something else than what they were given. */
export const corruption: Experiment = {
  name: "corruption",
  promise:
    "What a disk damages is found at its first use or when all is read (each week, and by `gc --verify`), and not served from then on: images are built again by themselves, everything else is refused and says what is damaged.",
  method:
    "Layers, checkpoints, uploaded files, the base and the database are damaged: bits flipped, files truncated, removed and added, modes changed, folders and records removed. Then sandboxes are made from what stood on them, and everything in these is compared.",
  share: 2,
  async run(run) {
    const site = await CorruptionSite.open(run);
    try {
      for (let round = 0; round < ROUNDS[run.size] && (run.size === "short" || Date.now() < run.deadline); round += 1) {
        for (const [what, damage] of chosenDamages(run)) await site.damageLayer(what, damage);
        await site.damageCheckpoint();
        await site.damageBlob();
        await site.damageStore();
        await site.damageBase();
      }
      await site.damageDatabase();
    } finally {
      await site.server.end("SIGTERM");
    }
    return { counts: site.counts, lost: [], leaked: [], broken: site.broken };
  },
};

/** What is done to a layer, or to a file in it. */
const LAYER_DAMAGES: Readonly<Record<string, Damage>> = {
  "a flipped bit": async (run, _, file) => flipBit(run, file),
  "a truncated file": async (_, __, file) => truncate(file, 1),
  "another mode": async (_, __, file) => chmod(file, 0o777),
  "a missing file": async (_, __, file) => rm(file),
  "a foreign file": async (_, layer) => writeFile(join(layer, "fs", HOLDS_FILES, "foreign"), "x"),
  "a missing folder": async (_, layer) => rm(join(layer, "fs"), { recursive: true }),
  "a missing record": async (_, layer) => rm(join(layer, "layer.json")),
  "a missing layer": async (_, layer) => rm(layer, { recursive: true }),
};

/** All of them in a long run; in a short one that which needs the most, and another. */
function chosenDamages(run: TortureRun): [string, Damage][] {
  const all = Object.entries(LAYER_DAMAGES);
  if (run.size === "long") return all;
  const [first, ...others] = all;
  const other = others[run.between(0, others.length - 1)];
  return [first, other].filter((damage) => damage !== undefined);
}
