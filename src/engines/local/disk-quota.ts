/** What somebody takes of a disk. */
export interface DiskUsage {
  readonly bytes: number;
  /** Files, directories and links; each takes an inode, of which a file system has only so many. */
  readonly files: number;
}

/** Quota where nobody says: as the hosted service has it. In MiB. */
export const DEFAULT_DISK_MB = 20_480;

const MIB = 1024 * 1024;
/** One for each 16 KiB, as ext4 is made: who keeps to it takes no larger part of the inodes than of the bytes. */
const FILES_PER_MB = 64;

/** How a quota was passed, to be read after a subject; null where it was not. */
export function breachOf({ bytes, files }: DiskUsage, quotaMB: number): string | null {
  if (bytes > quotaMB * MIB) return `was over its disk quota of ${quotaMB} MB: it held ${toMB(bytes)} MB`;
  const allowed = quotaMB * FILES_PER_MB;
  return files > allowed
    ? `was over its disk quota of ${quotaMB} MB, which allows ${allowed} files: it had ${files}`
    : null;
}

/** Whole MiB, rounded up. */
export function toMB(bytes: number): number {
  return Math.ceil(bytes / MIB);
}
