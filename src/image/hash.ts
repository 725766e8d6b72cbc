import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import type { ImageManifest, Step } from "./image-manifest";

/**
 * The identity of an image (docs/manifest.md). Everything here is pure: the same manifest gives the same digits on
 * every machine, because the text that is hashed is RFC 8785 canonical JSON.
 */

/** Stands inside the hashed document, so that another scheme can never give the same digits for another meaning. */
const IMAGE_SCHEME = "opencomputer.image/1";
const STEP_SCHEME = "opencomputer.step/1";

/**
 * SHA-256 over the canonical form of base and steps: 64 hex digits. Builder memory is not part of what an image is.
 *
 * @example contentHash({ base: "base", steps: [] }) // the empty image; see test/image/vectors.json
 */
export function contentHash(manifest: ImageManifest): string {
  return sha256Hex(toCanonicalJson({ scheme: IMAGE_SCHEME, base: manifest.base, steps: manifest.steps }));
}

/**
 * One key a step: each says what the file system is after that step, so equal keys mean equal layers.
 *
 * @param baseDigest what the resolved base contains, not what it is called
 * @param flavour how the engine stores layers; layers of another flavour are not interchangeable
 */
export function stepKeys(baseDigest: string, steps: readonly Step[], flavour: string): string[] {
  const keys: string[] = [];
  let previous = baseDigest;
  for (const step of steps) {
    previous = sha256Hex(toCanonicalJson({ scheme: STEP_SCHEME, previous, step, flavour }));
    keys.push(previous);
  }
  return keys;
}

/** The digest of bytes that are at hand: `sha256:<hex>`. */
export function digestOf(bytes: string | Uint8Array): string {
  return `sha256:${sha256Hex(bytes)}`;
}

/** 64 hex digits of SHA-256. */
export function sha256Hex(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** RFC 8785 JSON. */
export function toCanonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("only JSON values have a canonical form");
  return text;
}
