import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { makeFolders } from "../../folders";
import type { DamagedLayer } from "../engine";
import { syncDir } from "./durable";
import type { LocalHome } from "./home";
import { readRecordFile, writeRecordFile } from "./record-file";
import { removeTree } from "./remove-tree";

/**
 * Where layers go that are not what they were: nothing starts from them any more, and whoever wants to know what happened,
 * or to save what is left, finds them there.
 */
export interface Quarantine {
  /** Moves a layer's directory here; one that is gone is fine. */
  putAside(layer: string, damage: DamagedLayer): Promise<void>;
  /** What was found wrong with the layer of a key; null where it never was, or was collected since. */
  problemOf(key: string): Promise<string | null>;
  /** Removes those but of these keys. */
  collect(keep: ReadonlySet<string>): Promise<void>;
}

/** Whether a damage is that of a layer. Of one whose record is gone only the beginning of its key is known. */
export function isOf(damage: DamagedLayer, key: string): boolean {
  return key.startsWith(damage.key);
}

const recordSchema = z.object({ key: z.string(), problem: z.string() });

/** The damaged layers of a home. */
export function createQuarantine({ damaged }: LocalHome): Quarantine {
  const names = () => readdir(damaged).catch((): string[] => []);
  const recordOf = (name: string) => readRecordFile(join(damaged, name, "damage.json"), recordSchema);
  return {
    async putAside(layer, damage) {
      await makeFolders(damaged, 0o700);
      const place = join(damaged, `${damage.key.slice(0, 16)}-${randomBytes(4).toString("hex")}`);
      await mkdir(place);
      await writeRecordFile(join(place, "damage.json"), damage);
      await rename(layer, join(place, "layer")).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      });
      await syncDir(damaged);
    },
    async problemOf(key) {
      const own = (await names()).filter((name) => name.startsWith(key.slice(0, 16)));
      const records = await Promise.all(own.map(recordOf));
      return records.find((record) => record && isOf(record, key))?.problem ?? null;
    },
    async collect(keep) {
      for (const name of await names()) {
        const record = await recordOf(name);
        if (record && [...keep].some((key) => isOf(record, key))) continue;
        await removeTree(join(damaged, name));
      }
    },
  };
}
