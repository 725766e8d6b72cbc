import { lstat, rename, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { OpenComputerError } from "../../errors";
import type { Hand } from "./hand";

/**
 * Tells whether the tree of a layer is still what it was. The list of what it holds, with the SHA-256 of every file, lies
 * beside it; `hand/listing.h` says what stands in it. It is made after the layer, so that nobody waits for it.
 */
export interface LayerCheck {
  /** Writes down what a layer holds, where that is not done. One that goes meanwhile is fine. */
  list(layer: string): Promise<void>;
  /** When it was last seen to be whole to the last byte, in milliseconds; null where there is no list of it. */
  lastRead(layer: string): Promise<number | null>;
  /** Whether to compare its entries takes a while. */
  isLong(layer: string): Promise<boolean>;
  /**
   * What is wrong with a layer, in words; null where nothing is. `quick` compares names, kinds, owners, modes, sizes and
   * times, `unhurried` does, too, behind all other work, and `full` compares all bytes. Without a list only whether there
   * is a tree can be told.
   */
  problemOf(layer: string, depth: CheckDepth): Promise<string | null>;
}

export type CheckDepth = "quick" | "unhurried" | "full";

/** Lists of some thousand entries: longer ones take longer than anybody who starts a sandbox wants to wait. */
const SHORT_LIST_BYTES = 512 * 1024;

/** The list cannot be believed; the tree may be as it was. */
const ENODATA = 61;

/** Lists and checks by the engine's hand: each is a process of its own, which steps back behind all others. */
export function createLayerCheck(hand: Hand): LayerCheck {
  const treeOf = (layer: string) => join(layer, "fs");
  const listOf = (layer: string) => join(layer, "listing");
  const check: LayerCheck = {
    async list(layer) {
      if ((await check.lastRead(layer)) !== null) return;
      const made = `${listOf(layer)}.new`;
      // An earlier server may have been killed over it.
      await rm(made, { force: true });
      const { result } = await hand.ask("list", treeOf(layer), made);
      // A tree that cannot be listed, such as one that is gone, or deeper than any program goes, is not checked either.
      if (result === 0) await rename(made, listOf(layer)).catch(ignoreMissing);
      else await rm(made, { force: true });
    },
    async lastRead(layer) {
      return (await lstat(listOf(layer)).catch(() => null))?.mtimeMs ?? null;
    },
    async isLong(layer) {
      return ((await lstat(listOf(layer)).catch(() => null))?.size ?? 0) > SHORT_LIST_BYTES;
    },
    async problemOf(layer, depth) {
      if (!(await isDir(treeOf(layer)))) return "its files are gone";
      if ((await check.lastRead(layer)) === null) return null;
      const { result, text } = await hand.ask("check", treeOf(layer), listOf(layer), depth);
      if (result === ENODATA) {
        await rm(listOf(layer), { force: true });
        return null;
      }
      if (result !== 0) throw new OpenComputerError("internal", `a layer cannot be checked: ${text}`);
      if (text !== "") return text;
      const now = new Date();
      if (depth === "full") await utimes(listOf(layer), now, now).catch(ignoreMissing);
      return null;
    },
  };
  return check;
}

/** Whether there is a directory of this name. */
export async function isDir(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => null))?.isDirectory() ?? false;
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
