import { readdirSync, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { HostileRequest } from "../test/fixtures/hostile-requests";
import { openSocket } from "../test/fixtures/raw-http";
import { RealServer } from "../test/fixtures/real-server";
import { tinyBaseEnvironment } from "../test/fixtures/tiny-base";
import type { TortureRun } from "./torture-run";

const MIB = 1024 * 1024;
/** Low enough to be reached by an attack that one machine can make. */
const LIMITS = {
  OPENCOMPUTER_MAX_SANDBOXES: "6",
  OPENCOMPUTER_MAX_WARM: "2",
  OPENCOMPUTER_MAX_BUILDS: "4",
  OPENCOMPUTER_MAX_REQUESTS: "200",
  OPENCOMPUTER_MAX_STREAMS: "20",
  OPENCOMPUTER_MAX_CONNECTIONS: "300",
  OPENCOMPUTER_MAX_OUTPUT_MB: "64",
  OPENCOMPUTER_MAX_BODY_MB: "8",
} as const;
/** Longer than anything that is answered takes. */
const HANG_MS = 60_000;
const WATCH_INTERVAL_MS = 200;

/** One server that is abused, and how it bears it. */
export class AbuseSite {
  /** The most memory that it held, in MiB. */
  peakMB = 0;
  /** How often it was asked whether it is well. */
  healthChecks = 0;
  /** The longest that this took, in milliseconds. */
  slowestHealthMs = 0;
  readonly broken: string[] = [];
  private readonly sockets: Socket[] = [];
  private watching = true;

  private constructor(
    readonly server: RealServer,
    private readonly dir: string,
  ) {}

  static async open(run: TortureRun): Promise<AbuseSite> {
    const dir = join(run.dir, "abuse");
    const server = new RealServer({ dir, runtime: "runc" });
    const site = new AbuseSite(server, dir);
    run.defer(() => server.end("SIGKILL"));
    run.defer(() => site.hangUp());
    await server.start({ ...tinyBaseEnvironment(dir), ...LIMITS });
    void site.watch();
    return site;
  }

  /** What it holds now, in MiB. */
  get memoryMB(): number {
    const status = readFileSync(`/proc/${this.server.card.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
  }

  /** How many connections and files it has open. */
  get openFiles(): number {
    return readdirSync(`/proc/${this.server.card.pid}/fd`).length;
  }

  /** Bytes of the largest log of a build. */
  async largestLog(): Promise<number> {
    const logs = join(this.server.home, "builds");
    const sizes = readdirSync(logs).map(async (name) => (await stat(join(logs, name))).size);
    return Math.max(0, ...(await Promise.all(sizes)));
  }

  /** A connection on which these bytes were sent; it stays open and nothing is read. */
  async leaveOpen(head: string): Promise<Socket> {
    const socket = await openSocket(this.server.card.url);
    socket.pause();
    socket.write(head);
    this.sockets.push(socket);
    return socket;
  }

  /** The first line and headers of a request with a good key. */
  headOf(line: string, ...headers: string[]): string {
    return [`${line} HTTP/1.1`, "Host: localhost", `X-API-Key: ${this.server.card.apiKey}`, ...headers, "", ""].join(
      "\r\n",
    );
  }

  hangUp(): void {
    this.watching = false;
    for (const socket of this.sockets.splice(0)) socket.destroy();
  }

  /** Sends a request and reads its answer. @throws where there is none in time */
  async send({ method, path, headers, body }: HostileRequest): Promise<{ status: number; text: string }> {
    const { url, apiKey } = this.server.card;
    const signal = AbortSignal.timeout(HANG_MS);
    // A connection each: one that was cut off for what was sent on it is no answer to the next.
    const options = { method, headers: { "X-API-Key": apiKey, ...headers }, signal, agent: false } as const;
    return await new Promise((resolve, reject) => {
      const asked = httpRequest(`${url}/api${path}`, options, (answer) => {
        let text = "";
        answer.on("data", (chunk: Buffer) => {
          if (text.length < MIB) text += chunk.toString();
        });
        answer.once("end", () => resolve({ status: answer.statusCode ?? 0, text }));
        answer.once("error", reject);
      });
      asked.once("error", reject);
      asked.end(body);
    });
  }

  /** Looks after the server until {@link hangUp}. */
  private async watch(): Promise<void> {
    while (this.watching && this.server.isAlive) {
      this.peakMB = Math.max(this.peakMB, this.memoryMB);
      const startedAt = performance.now();
      const isWell = await fetch(`${this.server.card.url}/health`, { signal: AbortSignal.timeout(HANG_MS) }).then(
        (answer) => answer.ok,
        () => false,
      );
      this.healthChecks += 1;
      this.slowestHealthMs = Math.max(this.slowestHealthMs, performance.now() - startedAt);
      if (!isWell && this.watching) this.broken.push("the server did not say that it is well");
      await new Promise((resolve) => setTimeout(resolve, WATCH_INTERVAL_MS));
    }
  }
}
