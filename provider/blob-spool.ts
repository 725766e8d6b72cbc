import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { ImageManifest } from "../src/image/image-manifest";
import type { BlobSource } from "../src/image/local-files";
import { allDigests } from "../src/image/tree";
import { cacheHome } from "../src/paths";

/**
 * How the provider's process finds the bytes of files that the program's process hashed: one small file a digest, in the
 * cache folder, saying where the local file is, or holding content that the program made. So neither bytes nor
 * absolute paths stand in Pulumi's state, and nothing large is copied. Whoever reads compares the digest.
 */
export class BlobSpool {
  private readonly dir: string;

  constructor(cacheDir: string) {
    this.dir = join(cacheDir, "blobs");
  }

  /** Notes where the bytes of every file of an image are. */
  async note(manifest: ImageManifest, findBlob: (digest: string) => BlobSource | undefined): Promise<void> {
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    this.forgetOld();
    const readTree = async (digest: string) => Buffer.concat((await findBlob(digest)?.open().toArray()) ?? []);
    for (const digest of await allDigests(manifest, readTree)) {
      const source = findBlob(digest);
      if (source !== undefined) await this.noteOne(source);
    }
  }

  /** Where the bytes are, as noted last; undefined where nothing was noted on this machine. */
  find(digest: string): BlobSource | undefined {
    const path = this.pathOf(digest);
    if (!existsSync(path)) return undefined;
    const note = noteSchema.parse(JSON.parse(readFileSync(path, "utf8")));
    const { sizeBytes, label, file } = note;
    if (file === null) return { digest, sizeBytes, label, open: () => createReadStream(`${path}.bytes`) };
    return { digest, sizeBytes, label, file, open: () => createReadStream(file) };
  }

  private async noteOne(source: BlobSource): Promise<void> {
    const path = this.pathOf(source.digest);
    if (source.file === undefined) {
      replaceFile(`${path}.bytes`, Buffer.concat(await source.open().toArray()));
    }
    const note = { sizeBytes: source.sizeBytes, label: source.label, file: source.file ?? null };
    replaceFile(path, JSON.stringify(note));
  }

  private pathOf(digest: string): string {
    return join(this.dir, digest.replace("sha256:", ""));
  }

  /** A note serves the update that follows it; a week later it is litter. */
  private forgetOld(): void {
    const swept = join(this.dir, ".swept");
    const weekAgoMs = Date.now() - 7 * 24 * 3_600_000;
    if (existsSync(swept) && statSync(swept).mtimeMs > weekAgoMs) return;
    writeFileSync(swept, "");
    utimesSync(swept, new Date(), new Date());
    for (const name of readdirSync(this.dir)) {
      const path = join(this.dir, name);
      // Another program may be replacing it right now.
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat !== undefined && stat.mtimeMs < weekAgoMs) rmSync(path, { force: true });
    }
  }
}

const noteSchema = z.object({ sizeBytes: z.number(), label: z.string(), file: z.string().nullable() });

/** Readers see the old file or the new one, never half of it. */
function replaceFile(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, content, { mode: 0o600 });
  renameSync(temporary, path);
}

/** The spool of this machine's user. */
export function spool(): BlobSpool {
  const uid = process.geteuid?.() ?? -1;
  return new BlobSpool(cacheHome({ env: process.env, uid, homeDir: homedir() }));
}
