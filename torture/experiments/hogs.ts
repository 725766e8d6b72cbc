import { HOGS, type Hog } from "../../test/fixtures/hogs";
import type { Experiment, Findings } from "../experiment";
import { HogPen } from "../hog-pen";
import type { TortureRun } from "../torture-run";

const RUNTIMES = ["runc", "runsc"] as const;
const ALL = Object.keys(HOGS) as Hog[];
const GIB = 1024 ** 3;
/** What a neighbour may notice of a hog. */
const MAX_RATIO = 2;

/** Sandboxes that take all they can get. */
export const hogs: Experiment = {
  name: "hogs",
  promise:
    "A sandbox that takes all it can get takes it from nobody else: the server answers, its neighbours' commands take at most twice as long (p99), and deleting it leaves nothing.",
  method:
    "As root inside and as anybody: fork bombs, zombies, orphans, signals to everybody, memory, shared memory, page cache, disk, inodes, open files, watches, terminals, output, processors; a neighbour is asked beside each and alone, in turn. Then many commands at once, and output without end. Long only: 1 GiB of that, and the ratio, which means nothing on a machine that is busy otherwise.",
  share: 4,
  run: (run) => (run.size === "short" ? attackOnce(run) : attackLong(run)),
};

/** All at once, on one runtime. */
async function attackOnce(run: TortureRun): Promise<Findings> {
  const pen = await HogPen.open(run, "runc");
  await pen.ask(10, pen.alone, "nobody");
  await pen.letLoose(ALL, run.random() < 0.5, 10);
  await pen.flood(GIB / 16);
  await pen.crowd(50);
  return toFindings([pen], await pen.close());
}

async function attackLong(run: TortureRun): Promise<Findings> {
  const pens: HogPen[] = [];
  const left: string[] = [];
  const share = (run.deadline - Date.now()) / RUNTIMES.length;
  for (const [index, runtime] of RUNTIMES.entries()) {
    const pen = await HogPen.open(run, runtime);
    pens.push(pen);
    await pen.flood(GIB);
    await pen.crowd(200);
    const until = run.deadline - share * (RUNTIMES.length - 1 - index);
    for (let round = 0; Date.now() < until && !run.signal.aborted; round++) {
      const hog = ALL[round % ALL.length] ?? "processor";
      const asRoot = Math.floor(round / ALL.length) % 2 === 0;
      run.say(`${runtime}: ${hog} as ${asRoot ? "root" : "user"}`);
      await pen.ask(25, pen.alone, "nobody");
      await pen.letLoose([hog], asRoot, 25);
    }
    run.say(`${runtime}: p99 ${pen.alone.p99} ms alone, ${pen.beside.p99} ms beside hogs`);
    if (pen.beside.p99 > MAX_RATIO * pen.alone.p99) {
      const p99s = `${pen.beside.p99} ms beside hogs, ${pen.alone.p99} ms alone`;
      pen.broken.push(`${runtime}: a neighbour's p99 is ${p99s}; longest beside ${pen.worst}`);
    }
    left.push(...(await pen.close()));
  }
  return toFindings(pens, left);
}

function toFindings(pens: readonly HogPen[], leaked: readonly string[]): Findings {
  const sum = (of: (pen: HogPen) => number) => pens.reduce((total, pen) => total + of(pen), 0);
  const most = (of: (pen: HogPen) => number) => Math.max(...pens.map(of));
  return {
    counts: {
      hogs: sum((pen) => pen.hogs),
      "commands of a neighbour alone": sum((pen) => pen.alone.count),
      "commands beside hogs": sum((pen) => pen.beside.count),
      "answers of the server": sum((pen) => pen.health.count),
      "ms p99 of a command alone": most((pen) => pen.alone.p99),
      "ms p99 beside hogs": most((pen) => pen.beside.p99),
      "ms p99 beside many commands": most((pen) => pen.besideCrowd.p99),
      "ms p99 of the server's health": most((pen) => pen.health.p99),
      "MB more memory of the server at most": most((pen) => pen.grownMB),
    },
    lost: [],
    leaked,
    broken: pens.flatMap((pen) => pen.broken),
  };
}
