import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerCard } from "../../src/api/schemas";
import { packageRoot } from "../../src/client/package-root";
import { readServerCard } from "../../src/server/server-card";
import { bodyOf } from "./test-server";

const COMMAND = join(packageRoot(), "dist", "src", "cli", "main.js");

/** The real server as a process of its own, with the real engine in a home of its own, to be killed in the middle of things. */
export class RealServer {
  private readonly dir = mkdtempSync(join(tmpdir(), "opencomputer-crash-"));
  readonly home = join(this.dir, "home");
  private child: ChildProcess | undefined;
  card: ServerCard = { url: "", apiKey: "", pid: 0, version: "" };

  async start(): Promise<void> {
    // By a user whose umask keeps everybody else out: what root-inside must read has the mode that it needs all the same.
    const serve = ["-c", 'umask 077; exec "$0" "$@"', process.execPath, COMMAND, "serve", "--home", this.home];
    const child = spawn("sh", serve, { stdio: "ignore" });
    this.child = child;
    await untilTrue(120_000, async () => {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
      const found = await readServerCard(this.home);
      if (found === undefined || found.pid !== child.pid) return false;
      this.card = found;
      return true;
    });
  }

  /** Ends it as a crash does, or as it should. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    if (this.child === undefined) return;
    const over = once(this.child, "exit");
    this.child.kill(signal);
    await over;
  }

  /** Kills all sandboxes, ends the server and removes its home. */
  async dispose(): Promise<void> {
    const boxes = (await (await this.call("GET", "/sandboxes")).json()) as { sandboxID: string }[];
    for (const { sandboxID } of boxes) await this.call("DELETE", `/sandboxes/${sandboxID}`);
    await this.end("SIGTERM");
    rmSync(this.dir, { recursive: true, force: true });
  }

  call(method: string, path: string, json?: object, accept = "application/json"): Promise<Response> {
    const headers = { "X-API-Key": this.card.apiKey, Accept: accept, "Content-Type": "application/json" };
    const body = json ? { body: JSON.stringify(json) } : {};
    return fetch(`${this.card.url}/api${path}`, { method, headers, ...body });
  }

  async exec(id: unknown, cmd: string): Promise<Readonly<Record<string, unknown>>> {
    return await bodyOf(await this.call("POST", `/sandboxes/${id}/exec/run`, { cmd }));
  }
}

/** Waits until something is so. */
export async function untilTrue(limitMs: number, isSo: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + limitMs;
  while (!(await isSo())) {
    if (Date.now() > giveUpAt) throw new Error(`not so within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
