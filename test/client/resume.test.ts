import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createClient } from "../../src/client/client";
import { Image } from "../../src/image/image";
import { readServerConfig } from "../../src/server/config";
import { type RunningServer, runServer } from "../../src/server/run-server";
import { openSqliteStore } from "../../src/server/store/sqlite-store";
import { MemoryEngine } from "../server/memory-engine";
import { SILENT } from "../server/test-server";

/** A real server, and a line to it that breaks in the middle of a large file. */
const MIB = 1024 * 1024;
const FILE_BYTES = 64 * MIB;
/** What may be under way when a line breaks, and is lost with it. */
const LOST_BYTES = 8 * MIB;

let dir: string;
let server: RunningServer;
let line: Line;
let large: Image;
let now: number;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "oc-resume-"));
  large = writeLarge();
  now = Date.now();
  const config = readServerConfig({ logLevel: "silent", home: join(dir, "home") }, { env: {}, uid: 0, homeDir: "/" });
  const openStore = (home: string) => openSqliteStore(join(home, "server.db"));
  const signal = AbortSignal.timeout(60_000);
  server = await runServer(config, { engine: new MemoryEngine(), openStore, log: SILENT, now: () => now, signal });
  line = await openLine(Number(new URL(server.url).port));
});
afterEach(async () => {
  await line.close();
  await server.close();
  rmSync(dir, { recursive: true });
});

/** Every piece is another, so that pieces out of order would be found. */
function writeLarge(): Image {
  const bytes = Buffer.alloc(FILE_BYTES);
  for (let at = 0; at < FILE_BYTES; at += 4096) bytes.writeUInt32LE(at, at);
  writeFileSync(join(dir, "large.bin"), bytes);
  return Image.base().addLocalFile(join(dir, "large.bin"), "/large.bin");
}

/** The delay is time for the server to notice the cut, also on a machine that is busy. */
const createThrough = (apiUrl: string, name: string, attempts = 5) =>
  createClient({ apiUrl, apiKey: server.apiKey, retry: { attempts, baseDelayMs: 2_000 } }).createSnapshot({
    name,
    image: large.resolve(),
  });
/** Runs into a cut and gives up, then waits until the server has noticed. */
async function createInVain(): Promise<void> {
  line.cutAfter(40 * MIB);
  await expect(createThrough(line.url, "a", 1)).rejects.toMatchObject({ code: "unavailable" });
  await expect.poll(askArrived, { timeout: 10_000 }).toBeGreaterThan(40 * MIB - LOST_BYTES);
}

async function askArrived(): Promise<number> {
  const digest = large.toJSON().steps.flatMap((step) => (step.type === "add_file" ? [step.args.digest] : []))[0];
  const headers = { "X-API-Key": server.apiKey, "Content-Type": "application/json" };
  const body = JSON.stringify({ digests: [digest] });
  const answer = await fetch(`${server.url}/api/blobs/missing`, { method: "POST", headers, body });
  return ((await answer.json()) as { arrived: Record<string, number> }).arrived[digest ?? ""] ?? 0;
}

const incoming = () => readdirSync(join(dir, "home/blobs")).filter((name) => name.startsWith("incoming"));

describe("an upload whose connection is cut", () => {
  it("goes on where it stopped", async () => {
    line.cutAfter(40 * MIB);
    expect(await createThrough(line.url, "a")).toMatchObject({ status: "ready" });
    expect(line.cuts).toBe(1);
    expect(line.sentBytes).toBeGreaterThan(FILE_BYTES);
    expect(line.sentBytes).toBeLessThan(FILE_BYTES + LOST_BYTES);
    expect(incoming()).toEqual([]);
  });

  it("is continued by the next run, which begins with what has arrived", async () => {
    await createInVain();
    const before = line.sentBytes;
    expect(await createThrough(line.url, "a")).toMatchObject({ status: "ready" });
    expect(line.sentBytes - before).toBeLessThan(FILE_BYTES - 40 * MIB + LOST_BYTES);
    expect(incoming()).toEqual([]);
  });

  it("begins anew where what has arrived is spoilt", async () => {
    await createInVain();
    const [name] = incoming();
    writeFileSync(join(dir, "home/blobs", name ?? ""), Buffer.alloc(20 * MIB, 1));
    expect(await createThrough(line.url, "a")).toMatchObject({ status: "ready" });
  });

  it("leaves nothing once nobody came back for a day", async () => {
    await createInVain();
    const api = createClient({ apiUrl: server.url, apiKey: server.apiKey });
    now += 23 * 3_600_000;
    expect(await api.collect()).toMatchObject({ blobs: 0 });
    now += 2 * 3_600_000;
    const { blobs, sizeBytes } = await api.collect();
    expect([blobs, sizeBytes > 20 * MIB, incoming()]).toEqual([1, true, []]);
  });
});

interface Line {
  readonly url: string;
  /** Bytes from clients to the server so far. */
  readonly sentBytes: number;
  readonly cuts: number;
  /** Breaks the next connection that carries this many bytes. */
  cutAfter(bytes: number): void;
  close(): Promise<void>;
}

async function openLine(port: number): Promise<Line> {
  const open = new Set<Socket>();
  let [sentBytes, cuts, limit] = [0, 0, Number.POSITIVE_INFINITY];
  const forward = (client: Socket) => {
    const target = connect(port, "127.0.0.1");
    for (const socket of [client, target]) {
      open.add(socket);
      socket.on("error", () => {}).on("close", () => open.delete(socket));
    }
    let carried = 0;
    client.on("data", (chunk) => {
      sentBytes += chunk.length;
      carried += chunk.length;
      if (!target.write(chunk)) client.pause();
      if (carried < limit) return;
      [limit, cuts] = [Number.POSITIVE_INFINITY, cuts + 1];
      client.destroy();
      target.destroy();
    });
    target.on("drain", () => client.resume()).pipe(client);
    client.on("close", () => target.destroy());
  };
  const listener = createServer(forward);
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    get sentBytes() {
      return sentBytes;
    },
    get cuts() {
      return cuts;
    },
    cutAfter: (bytes) => {
      limit = bytes;
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
