import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface OciImage {
  /** Folder of the layout. */
  readonly dir: string;
  /** `sha256:…` of the manifest. */
  readonly digest: string;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/**
 * An image layout of layers that are archives (uncompressed), lowest first. The archives are moved into it.
 *
 * @param env `NAME=value`
 */
export async function writeOciLayout(
  dir: string,
  layers: readonly string[],
  env: readonly string[],
): Promise<OciImage> {
  const blobs = join(dir, "blobs", "sha256");
  await mkdir(blobs, { recursive: true });
  const rows: Descriptor[] = [];
  for (const file of layers) {
    const digest = await digestOf(file);
    const { size } = await stat(file);
    await rename(file, join(blobs, digest));
    rows.push({ mediaType: "application/vnd.oci.image.layer.v1.tar", digest: `sha256:${digest}`, size });
  }
  const config = await writeBlob(blobs, "application/vnd.oci.image.config.v1+json", {
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Env: env },
    rootfs: { type: "layers", diff_ids: rows.map(({ digest }) => digest) },
  });
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = await writeBlob(blobs, mediaType, { schemaVersion: 2, mediaType, config, layers: rows });
  await writeFile(join(dir, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  await writeFile(join(dir, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  return { dir, digest: manifest.digest };
}

async function writeBlob(blobs: string, mediaType: string, content: object): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(content));
  const digest = createHash("sha256").update(bytes).digest("hex");
  await writeFile(join(blobs, digest), bytes);
  return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
