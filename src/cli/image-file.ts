import { readFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { invalidInput, isOpenComputerError, OpenComputerError } from "../errors";
import { contentHash } from "../image/hash";
import { isImage, type ResolvedImage } from "../image/image";
import { parseManifest } from "../image/manifest";
import { hintMissingPackage, offerOwnPackage } from "./own-package";
import { useTypeScript } from "./typescript-files";

const EXTENSIONS = [".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", ".json"];
const EXTENSIONS_TEXT = ".ts, .js, .mjs, .cjs or .json";
const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  EISDIR: "is a directory; give the file that exports the image",
  EACCES: "may not be read by this user",
};

/**
 * The image of a file: a TypeScript or JavaScript module that exports one Image (or a manifest), as `default` or under
 * any name, or a manifest as JSON.
 *
 * @throws invalid_input, not_found, requirement_missing where TypeScript cannot be had
 */
export async function loadImageFile(file: string): Promise<ResolvedImage> {
  const path = resolve(file);
  if (!EXTENSIONS.includes(extname(path))) {
    throw new OpenComputerError("invalid_input", `FILE must be ${EXTENSIONS_TEXT}; got ${file}`);
  }
  const text = await readText(file);
  const exported = extname(path) === ".json" ? parseJson(file, text) : pickExport(file, await load(file));
  if (isImage(exported)) return exported.resolve();
  const manifest = parseManifest(exported);
  return { manifest, contentHash: contentHash(manifest), findBlob: () => undefined };
}

async function load(file: string): Promise<unknown> {
  const path = resolve(file);
  try {
    offerOwnPackage();
    if (!/\.[cm]?ts$/.test(path)) return await import(pathToFileURL(path).href);
    useTypeScript(path);
    return require(path);
  } catch (error) {
    if (isOpenComputerError(error)) throw error;
    const line = lineOf(path, error);
    const place = line === undefined ? file : `${file}:${line}`;
    // Some errors list what is wrong, line by line; Node.js adds who required what, which nobody asked for.
    const [reason] = String(error).split("\nRequire stack:", 1);
    throw invalidFile(file, `cannot be loaded (${place}): ${reason}`, error, hintMissingPackage(error));
  }
}

/** The line of the user's file where it happened: the head of a syntax error's stack, or the nearest frame in the file. */
function lineOf(path: string, error: unknown): string | undefined {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  for (const name of [path, pathToFileURL(path).href]) {
    const at = stack.indexOf(`${name}:`);
    const line = at < 0 ? undefined : /^\d+/.exec(stack.slice(at + name.length + 1))?.[0];
    if (line !== undefined) return line;
  }
  return undefined;
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(resolve(file), "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const what = UNREADABLE[code] ?? `cannot be read: ${String(error)}`;
    throw new OpenComputerError("invalid_input", `${file} ${what}`, { cause: error });
  }
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalidFile(file, `is not JSON: ${reason}`, error);
  }
}

/** What is wrong with the user's file is not ours to be reported. */
function invalidFile(file: string, what: string, cause: unknown, hint = `fix ${file}`): OpenComputerError {
  const details = { hint };
  return new OpenComputerError("invalid_input", `${file} ${what}`, { details, cause });
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
