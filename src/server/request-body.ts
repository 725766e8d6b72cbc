import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { z } from "zod";
import { invalidInput, OpenComputerError } from "../errors";
import { formatSize } from "../image/format-size";
import { parseWith } from "../image/manifest";
import type { AppEnv } from "./auth";
import { findExcess, type JsonBounds } from "./json-bounds";

const MIB = 1024 * 1024;
/** Everything that is JSON and no manifest: commands, names, lists of digests. */
const SMALL_BODY_BYTES = 16 * MIB;
/** Room for the 100,000 files of an image, and for nothing that an image could not be. */
const BOUNDS: JsonBounds = { maxDepth: 64, maxValues: 1_000_000 };
/** The longest that the JSON of a request may be on its way, however it trickles. */
const ARRIVAL_TIMEOUT_MS = 300_000;

/** The JSON of a request, checked. @throws invalid_input with every problem; quota_exceeded; timeout */
export async function readBody<T>(c: Context<AppEnv>, schema: z.ZodType<T>): Promise<T> {
  return parseWith(schema, await readJson(c, SMALL_BODY_BYTES), "the request");
}

/** As {@link readBody}, where a manifest may stand in it: those of the official clients carry their files inside. */
export async function readLargeBody<T>(c: Context<AppEnv>, schema: z.ZodType<T>, maxMB: number): Promise<T> {
  return parseWith(schema, await readJson(c, maxMB * MIB), "the request");
}

async function readJson(c: Context<AppEnv>, maxBytes: number): Promise<unknown> {
  const leases: (() => void)[] = [];
  try {
    const bytes = Buffer.concat(await readPieces(c, maxBytes, leases));
    return parseJson(bytes);
  } finally {
    for (const end of leases) end();
  }
}

/** What an organisation has on its way counts as it comes: a length that was only declared holds no memory. */
async function readPieces(c: Context<AppEnv>, maxBytes: number, leases: (() => void)[]): Promise<Uint8Array[]> {
  const declared = Number(c.req.header("content-length") ?? 0);
  if (declared > maxBytes) throw tooLarge(declared, maxBytes);
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const piece of arriving(c.req.raw.body)) {
    sizeBytes += piece.byteLength;
    if (sizeBytes > maxBytes) throw tooLarge(sizeBytes, maxBytes);
    leases.push(c.get("enter")("bodyBytes", piece.byteLength));
    pieces.push(piece);
  }
  return pieces;
}

async function* arriving(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void reader.cancel().catch(() => {});
  }, ARRIVAL_TIMEOUT_MS);
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value;
  } catch (cause) {
    throw new OpenComputerError("aborted", "the request ended before its body was complete", { cause });
  } finally {
    clearTimeout(timer);
    reader.releaseLock();
  }
  if (late) throw tooSlow();
}

function parseJson(bytes: Buffer): unknown {
  const excess = findExcess(bytes, BOUNDS);
  if (excess !== undefined) throw unfit(excess);
  const text = bytes.toString("utf8");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unfit(text === "" ? "is empty; this endpoint takes JSON" : `is not JSON: ${String(error)}`);
  }
}

function unfit(message: string): OpenComputerError {
  return invalidInput("the request", [{ path: "body", message }]);
}

/** 413 with our own error. */
export function tooLarge(sizeBytes: number, maxBytes: number): HTTPException {
  const message = `has ${formatSize(sizeBytes)} or more; the most that this endpoint takes is ${formatSize(maxBytes)}`;
  const details = { sizeBytes, maxBytes };
  const cause = new OpenComputerError("invalid_input", `the body of the request ${message}`, { details });
  return new HTTPException(413, { cause });
}

function tooSlow(): HTTPException {
  const message = `the body of the request was not here within ${ARRIVAL_TIMEOUT_MS / 1000} s; send less at a time`;
  return new HTTPException(408, { cause: new OpenComputerError("timeout", message) });
}
