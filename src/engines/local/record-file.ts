import { open, readFile, rename } from "node:fs/promises";
import type { z } from "zod";

/** Reads a record of ours. One that is not there, torn or of another shape is none: null. */
export async function readRecordFile<T>(file: string, schema: z.ZodType<T>): Promise<T | null> {
  try {
    const parsed = schema.safeParse(JSON.parse(await readFile(file, "utf8")));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Writes a record whole or not at all: its bytes are on disk before it takes the old one's place. */
export async function writeRecordFile(file: string, record: object): Promise<void> {
  const handle = await open(`${file}.new`, "w");
  try {
    await handle.writeFile(JSON.stringify(record));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
}
