import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { packageRoot } from "../../src/client/package-root";
import { Image } from "../../src/image/image";
import type { Benchmark } from "../benchmark";
import { command } from "../command";
import { compare, type Side, timed } from "../comparison";

const FILES = 10_000;
const TOTAL_BYTES = 1024 ** 3;
const SUM = "sha256sum on two processes";
const COLD = "cacheKey, nothing remembered";
const WARM = "cacheKey, again";
const MEMORY = "peak memory while hashing";
/** What is younger than two seconds is not remembered. */
const SETTLE_MS = 2_500;

/** A program that does nothing else; this one holds all benchmarks and their servers' clients, too. */
const PEAK = `
  const { Image } = require(${JSON.stringify(join(packageRoot(), "dist", "src", "image", "image.js"))});
  Image.base().addLocalDir(process.argv[1], "/data").cacheKey();
  console.log(process.resourceUsage().maxRSS);`;

/** A folder of 1 GiB in 10,000 files, without and with what an earlier pass remembered. The page cache is warm for all sides. */
export const hash: Benchmark = {
  name: "hash",
  question: "the identity of an image with a folder of 1 GiB in 10,000 files",
  rounds: { full: 5, quick: 1 },
  rivals: [],
  targets: [
    { kind: "ratio", side: COLD, over: SUM, atMost: 1.3 },
    { kind: "ratio", side: WARM, over: SUM, atMost: 0.15 },
    { kind: "most", quantity: MEMORY, limit: 200 },
  ],
  run: async (run) => {
    const cache = join(run.dir, "cache");
    process.env["OPENCOMPUTER_CACHE"] = cache;
    const tree = makeTree(join(run.dir, "tree"));
    await sleep(SETTLE_MS);
    const sum = ["-c", "find . -type f -print0 | xargs -0 -P2 sha256sum"];
    const key = () => timed(() => Image.base().addLocalDir(tree, "/data").cacheKey());
    const forget = async () => rmSync(cache, { recursive: true, force: true });
    const sides: Side[] = [
      {
        name: SUM,
        measure: () => timed(() => command("sh", sum, { cwd: tree, stdout: "ignore", signal: run.signal })),
      },
      { name: COLD, prepare: forget, measure: key },
      { name: WARM, measure: key },
    ];
    const { rounds, signal, onRound } = run;
    const { figures, absences } = await compare(sides, { rounds, signal, onRound });
    await forget();
    const peakKb = Number(await command(process.execPath, ["-e", PEAK, tree], { signal: run.signal }));
    return { figures, absences, quantities: [{ name: MEMORY, value: Math.round(peakKb / 1024), unit: "MiB" }] };
  },
};

/** Files of 0.5 to 1.5 times the mean size, a hundred to a folder. */
function makeTree(tree: string): string {
  const mean = TOTAL_BYTES / FILES;
  const bytes = randomBytes(Math.ceil(mean * 1.5) + FILES);
  let left = TOTAL_BYTES;
  for (let index = 0; index < FILES; index++) {
    const folder = join(tree, `folder-${Math.floor(index / 100)}`);
    if (index % 100 === 0) mkdirSync(folder, { recursive: true });
    const size = index === FILES - 1 ? left : Math.round(mean * (0.5 + (index % 101) / 100));
    writeFileSync(join(folder, `file-${index}.bin`), bytes.subarray(index, index + size));
    left -= size;
  }
  return tree;
}
