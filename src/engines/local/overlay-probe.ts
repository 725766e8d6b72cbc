import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { OpenComputerError } from "../../errors";
import type { Hand } from "./hand";
import type { LocalHome } from "./home";
import { mountOverlay, type OverlayFlavour, unmount } from "./mounts";

/** The best first. */
const FLAVOURS: readonly OverlayFlavour[] = [
  { uuidNull: true, byOption: true },
  { uuidNull: true, byOption: false },
  { uuidNull: false, byOption: false },
];

/**
 * Tries overlay mounts in the home, and says which the kernel takes.
 *
 * @throws requirement_missing where none can be made there at all
 */
export async function probeOverlay(hand: Hand, home: LocalHome): Promise<OverlayFlavour> {
  const dir = await mkdtemp(join(home.active, "probe-"));
  const path = (name: string) => join(dir, name);
  let cause: unknown;
  try {
    for (const name of ["lower", "fs", "work", "merged"]) await mkdir(path(name));
    for (const flavour of FLAVOURS) {
      try {
        const options = { lowers: ["lower"], upper: path("fs"), work: path("work"), flavour };
        await mountOverlay(hand, path("merged"), dir, options);
        return flavour;
      } catch (error) {
        cause = error;
      }
    }
  } finally {
    await unmount(hand, path("merged"));
    await rm(dir, { recursive: true, force: true });
  }
  const advice = "set OPENCOMPUTER_HOME to a directory on ext4, xfs or btrfs (in a container: on a volume)";
  const message = `no overlay file system can be mounted in ${home.root}: ${advice}`;
  throw new OpenComputerError("requirement_missing", message, { cause });
}
