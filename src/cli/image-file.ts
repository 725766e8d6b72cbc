import { readFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { invalidInput, OpenComputerError } from "../errors";
import { contentHash } from "../image/hash";
import { isImage, type ResolvedImage } from "../image/image";
import { parseManifest } from "../image/manifest";
import { useTypeScript } from "./typescript-files";

/**
 * The image of a file: a TypeScript or JavaScript module that exports one Image (or a manifest), as `default` or under
 * any name, or a manifest as JSON.
 *
 * @throws invalid_input, not_found, requirement_missing where TypeScript cannot be had
 */
export async function loadImageFile(file: string): Promise<ResolvedImage> {
  const path = resolve(file);
  const text = await readText(path);
  const exported = extname(path) === ".json" ? parseJson(file, text) : pickExport(file, await load(path));
  if (isImage(exported)) return exported.resolve();
  const manifest = parseManifest(exported);
  return { manifest, contentHash: contentHash(manifest), findBlob: () => undefined };
}

async function load(path: string): Promise<unknown> {
  if (!/\.[cm]?ts$/.test(path)) return import(pathToFileURL(path).href);
  useTypeScript(path);
  return require(path);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OpenComputerError("invalid_input", `cannot read ${path}: ${reason}`, { cause: error });
  }
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OpenComputerError("invalid_input", `${file} is not JSON: ${reason}`, { cause: error });
  }
}

function pickExport(file: string, module: unknown): unknown {
  const values = new Set(exportsOf(module));
  const images = [...values].filter((value) => isImage(value) || looksLikeManifest(value));
  if (images.length === 1) return images[0];
  const message =
    images.length === 0
      ? "exports no Image; write: export const image = Image.base()…"
      : `exports ${images.length} images; export the one to build alone`;
  throw invalidInput(file, [{ path: "exports", message }]);
}

/** A CommonJS module that is imported stands below `default`, with copies of its members beside it. */
function exportsOf(module: unknown): unknown[] {
  if (typeof module !== "object" || module === null || isImage(module)) return [module];
  if ("default" in module) {
    const { default: inner, ...named } = module;
    return [...exportsOf(inner), ...Object.values(named)];
  }
  return looksLikeManifest(module) ? [module] : Object.values(module);
}

function looksLikeManifest(value: unknown): boolean {
  return typeof value === "object" && value !== null && "base" in value && "steps" in value;
}
