import { chmod, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type ServerCard, serverCardSchema } from "../api/schemas";
import { isMissingFile } from "./services/missing-file";

const NAME = "server.json";

/** Publishes how to reach the server, for this user alone; readers see the old card or the new one, never half of one. */
export async function writeServerCard(home: string, card: ServerCard): Promise<void> {
  const temporary = join(home, `${NAME}.new`);
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(card, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  // The mode above counts only for a new file; this one may have been left by a crash.
  await chmod(temporary, 0o600);
  await rename(temporary, join(home, NAME));
}

/** The card that is there, perhaps of a server that has died; undefined where there is none that can be read. */
export async function readServerCard(home: string): Promise<ServerCard | undefined> {
  try {
    const parsed = serverCardSchema.safeParse(JSON.parse(await readFile(join(home, NAME), "utf8")));
    return parsed.data;
  } catch (error) {
    if (isMissingFile(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export async function removeServerCard(home: string): Promise<void> {
  await rm(join(home, NAME), { force: true });
}
