import { OpenComputerError } from "../../../errors";
import { formatSize } from "../../../image/format-size";
import { runTool } from "./run-tool";

/** What a base may be at most: far more than any has, and so much that a disk and a morning survive it. */
export interface ArchiveLimits {
  readonly entries: number;
  readonly totalBytes: number;
  readonly fileBytes: number;
  /** Of one name, below what a path has room for. */
  readonly nameBytes: number;
  /** Directories, one in the other. */
  readonly depth: number;
}

const GIB = 1024 ** 3;

/** Default: a million entries of together 32 GiB, 8 GiB a file. */
export const ARCHIVE_LIMITS: ArchiveLimits = {
  entries: 1_000_000,
  totalBytes: 32 * GIB,
  fileBytes: 8 * GIB,
  nameBytes: 3_000,
  depth: 256,
};

const TIMEOUT_MS = 30 * 60_000;

export interface ArchiveCheck {
  readonly path: string;
  /** What people call it, for errors. */
  readonly label: string;
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly limits?: ArchiveLimits;
}

/**
 * Reads what an archive says of itself before a byte of it is unpacked: few bytes can stand for any number of files, and for
 * files of any size. Sizes are those that files will have, holes included.
 *
 * @throws invalid_input where it is more than a base may be, or no archive that can be read to its end
 */
export async function checkArchive({ path, label, env, signal, limits = ARCHIVE_LIMITS }: ArchiveCheck): Promise<void> {
  const enough = new AbortController();
  const sum = { entries: 0, totalBytes: 0 };
  let refusal: string | undefined;
  const onLine = (line: string) => {
    const entry = refusal === undefined ? parseEntry(line) : undefined;
    if (entry === undefined) return;
    sum.entries += 1;
    sum.totalBytes += entry.sizeBytes;
    refusal = judge(entry, sum, limits);
    if (refusal !== undefined) enough.abort();
  };
  const args = ["--list", "--verbose", "--numeric-owner", "--quoting-style=escape", "--file", path];
  const purpose = `reading ${label}`;
  const run = { file: "tar", args, env, timeoutMs: TIMEOUT_MS, purpose, failure: "invalid_input", onLine } as const;
  try {
    await runTool({ ...run, signal: AbortSignal.any([signal, enough.signal]) });
  } catch (error) {
    if (refusal === undefined) throw error;
  }
  if (refusal === undefined) return;
  throw new OpenComputerError(
    "invalid_input",
    `${label} cannot be a base: ${refusal}. Choose another OPENCOMPUTER_BASE.`,
  );
}

interface ArchiveEntry {
  readonly name: string;
  readonly sizeBytes: number;
}

/** Of `-rw-r--r-- 0/0  12 2026-01-02 03:04 ./name`; undefined for what tar says besides. Names are escaped: one a line. */
function parseEntry(line: string): ArchiveEntry | undefined {
  const [, kind, size = "", rest = ""] = /^([-bcdhlpsCDMSV])\S{9,10}\s+\S+\s+(\S+)\s+\S+ \S+ (.*)$/.exec(line) ?? [];
  if (kind === undefined) return undefined;
  const name = kind === "l" || kind === "h" ? (rest.split(/ -> | link to /)[0] ?? "") : rest;
  // Of a device, its number stands there.
  return { name, sizeBytes: /^\d+$/.test(size) ? Number(size) : 0 };
}

function judge(
  { name, sizeBytes }: ArchiveEntry,
  sum: { readonly entries: number; readonly totalBytes: number },
  limits: ArchiveLimits,
): string | undefined {
  const shown = name.length > 60 ? `${name.slice(0, 60)}…` : name;
  if (sum.entries > limits.entries) return `it has more than ${limits.entries} entries`;
  if (sizeBytes > limits.fileBytes) {
    return `${shown} has ${formatSize(sizeBytes)}, more than the ${formatSize(limits.fileBytes)} of a file`;
  }
  if (sum.totalBytes > limits.totalBytes) return `its files have together more than ${formatSize(limits.totalBytes)}`;
  if (name.length > limits.nameBytes) return `the name ${shown} has more than ${limits.nameBytes} bytes`;
  if (name.split("/").length > limits.depth) return `${shown} is more than ${limits.depth} directories deep`;
  return undefined;
}
