import { statfs } from "node:fs/promises";
import { OpenComputerError } from "../../errors";
import { toMB } from "./disk-quota";
import type { DiskUser } from "./disk-watch";

/** What is left of a file system. One that counts no inodes has 0 of 0. */
export interface DiskRoom {
  readonly freeBytes: number;
  readonly sizeBytes: number;
  readonly freeFiles: number;
  readonly maxFiles: number;
}

/** The disk that layers, sandboxes and the server's rows share. */
export interface DiskSpace {
  /** What a build step may write, and a sandbox that has no quota of its own; in MiB. */
  readonly quotaMB: number;
  /** Build steps that run: no record tells of them. */
  readonly steps: Set<DiskUser>;
  room(): Promise<DiskRoom>;
  /** @throws insufficient_storage where the disk is nearly full */
  assertRoom(): Promise<void>;
}

/** This much stays free for what has been promised already and for the server itself, or a twentieth of a small disk. */
const RESERVED_BYTES = 1024 ** 3;
const RESERVED_FILES = 50_000;
const RESERVED_PART = 1 / 20;

/** The disk of this place. */
export function createDiskSpace(place: string, quotaMB: number): DiskSpace {
  const room = () => readRoom(place);
  return {
    quotaMB,
    steps: new Set(),
    room,
    async assertRoom() {
      const shortage = shortageOf(await room());
      if (shortage === null) return;
      const advice = "delete sandboxes, snapshots or checkpoints and run `pulumi-opencomputer gc`, or make room on it";
      throw new OpenComputerError(
        "insufficient_storage",
        `the disk of ${place} has only ${shortage.left} left: ${advice}`,
      );
    },
  };
}

/** What there is too little of. */
export interface Shortage {
  readonly of: "bytes" | "files";
  /** How much is left, in words. */
  readonly left: string;
}

/** What is short; null where there is enough. */
export function shortageOf({ freeBytes, sizeBytes, freeFiles, maxFiles }: DiskRoom): Shortage | null {
  if (freeBytes < Math.min(RESERVED_BYTES, sizeBytes * RESERVED_PART)) {
    return { of: "bytes", left: `${toMB(freeBytes)} MB` };
  }
  if (freeFiles < Math.min(RESERVED_FILES, maxFiles * RESERVED_PART)) {
    return { of: "files", left: `${freeFiles} inodes` };
  }
  return null;
}

async function readRoom(place: string): Promise<DiskRoom> {
  const { bsize, blocks, bavail, files, ffree } = await statfs(place);
  return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize, freeFiles: ffree, maxFiles: files };
}
