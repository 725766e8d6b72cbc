import { type FileHandle, open, readFile, rename } from "node:fs/promises";
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
  await replaceFile(file, record, (handle) => handle.sync());
}

/**
 * Writes a record about what ends with the machine, such as processes: it survives the end of this server, and a power cut
 * may tear it.
 */
export async function writePassingRecord(file: string, record: object): Promise<void> {
  await replaceFile(file, record, async () => undefined);
}

async function replaceFile(file: string, record: object, settle: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(`${file}.new`, "w");
  try {
    await handle.writeFile(JSON.stringify(record));
    await settle(handle);
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
}
