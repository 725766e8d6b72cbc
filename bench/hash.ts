/**
 * Hashing a directory: 1 GiB in 10,000 files, by `image.cacheKey()` without and with what an earlier pass remembered,
 * beside sha256sum on two processes. The page cache is warm for all sides. Takes the number of rounds, default 5.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Image } from "../src/image/image";
import { compare, report, type Side } from "./comparison";

const FILES = 10_000;
const TOTAL_BYTES = 1024 ** 3;
const MAX_COLD = 1.3;
const MAX_WARM = 0.15;
const MAX_MEMORY_MIB = 200;

async function main(rounds: number): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "oc-bench-"));
  const cache = join(dir, "cache");
  process.env["OPENCOMPUTER_CACHE"] = cache;
  try {
    const tree = makeTree(join(dir, "tree"));
    // What is younger than two seconds is not remembered.
    await sleep(2500);
    const hash = timed(() => Image.base().addLocalDir(tree, "/data").cacheKey());
    const cold: Side = {
      name: "cacheKey, cold",
      measure: () => {
        rmSync(cache, { recursive: true, force: true });
        return hash();
      },
    };
    const sum = timed(() =>
      execFileSync("sh", ["-c", "find . -type f -print0 | xargs -0 -P2 sha256sum"], { cwd: tree, stdio: "ignore" }),
    );
    const sides = [{ name: "sha256sum -P2", measure: sum }, cold, { name: "cacheKey, warm", measure: hash }];
    const figures = await compare(sides, rounds);
    const memory = Math.round(process.resourceUsage().maxRSS / 1024);
    report("hash", figures, {
      tree: `${FILES} files, ${TOTAL_BYTES} bytes`,
      cores: String(availableParallelism()),
      rounds: String(rounds),
      cold: judge(figures[1]?.ratio, MAX_COLD, "of sha256sum"),
      warm: judge(figures[2]?.ratio, MAX_WARM, "of sha256sum"),
      "peak memory": judge(memory, MAX_MEMORY_MIB, "MiB"),
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

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

function timed(act: () => void): () => Promise<number> {
  return async () => {
    const start = performance.now();
    act();
    return performance.now() - start;
  };
}

function judge(value = Number.NaN, limit: number, unit: string): string {
  return `${value} ${unit} (at most ${limit}: ${value <= limit ? "met" : "missed"})`;
}

main(Number(process.argv[2] ?? 5)).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
