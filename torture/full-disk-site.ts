import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import SqliteDatabase from "better-sqlite3";
import { RealServer } from "../test/fixtures/real-server";
import { tinyBaseEnvironment } from "../test/fixtures/tiny-base";
import { type Content, differences, writeCommand } from "./kept-content";
import { LoopDisk } from "./loop-disk";
import { endMachine } from "./machine-end";
import { ask } from "./power-traffic";
import type { TortureRun } from "./torture-run";

const MEGABYTES = 192;
const INODES = 6_000;

/** What may be said where there is no room; `build_failed` is what a step was told by the kernel. */
const HONEST = /"code":"(insufficient_storage|build_failed|conflict|gone)"/;

/** A server on a small disk, and what was kept there. */
export class FullDiskSite {
  readonly counts: Record<string, number> = { fillings: 0, requests: 0, refusals: 0, deletions: 0, comparisons: 0 };
  readonly lost: string[] = [];
  readonly broken: string[] = [];
  private readonly kept: { readonly snapshot: string; readonly contents: readonly Content[] }[] = [];
  private lastNumber = 0;

  private constructor(
    private readonly run: TortureRun,
    private readonly server: RealServer,
    private readonly disk: LoopDisk,
  ) {}

  static async open(run: TortureRun): Promise<FullDiskSite> {
    const dir = join(run.dir, "full-disk");
    const disk = await LoopDisk.make(run, join(dir, "home"), { megabytes: MEGABYTES, inodes: INODES });
    const server = new RealServer({ dir, runtime: "runc" });
    run.defer(async () => {
      await server.end("SIGKILL");
      await endMachine(server.home);
    });
    await server.start(tinyBaseEnvironment(dir));
    const site = new FullDiskSite(run, server, disk);
    await site.build();
    return site;
  }

  /** Fills the disk once, does everything there, and makes room again. */
  async round(what: "bytes" | "inodes", when: "before" | "while"): Promise<void> {
    const content = this.content();
    const { sandboxID: id } = await ask(this.server, "POST", "/sandboxes", {});
    await ask(this.server, "POST", `/sandboxes/${id}/exec/run`, { cmd: writeCommand(content) });
    const extra = await this.build();
    const { sandboxID: spare } = await ask(this.server, "POST", "/sandboxes", { snapshot: extra });
    const filling = this.fill(what);
    this.count("fillings");
    if (when === "before") await filling;
    await Promise.all([this.tryBuild(), this.tryUpload(), this.tryCheckpoint(id), this.tryCreate(), this.tryWrite(id)]);
    await filling;
    await this.tryBuild();
    await this.stillAnswers(id, content);
    await this.deletes(spare, extra);
    await rm(join(this.server.home, "filling"), { recursive: true, force: true });
    await this.isWellAgain(id, content);
  }

  async close(): Promise<string[]> {
    await this.server.end("SIGTERM");
    const left = await readdir(join(this.server.home, "active")).then((names) => names.map((name) => `active/${name}`));
    await this.disk.remove();
    return left;
  }

  /** In the image of the disk, not in the server's way: as somebody else on the machine would. */
  private async fill(what: "bytes" | "inodes"): Promise<void> {
    const dir = join(this.server.home, "filling");
    await mkdir(dir);
    if (what === "bytes") await takeBytes(dir, this.run.between(0, 300));
    else await takeInodes(dir, this.run.between(0, 10));
    const { bavail, ffree } = await statfs(this.server.home);
    this.run.say(`filled: ${bavail} blocks and ${ffree} inodes are left`);
  }

  private async tryBuild(): Promise<void> {
    const steps = [this.content(), this.content()].map((content) => run(writeCommand(content)));
    await this.attempt("a build", "POST", "/snapshots", {
      name: `n${this.lastNumber}`,
      image: { base: "base", steps },
    });
  }

  private async tryUpload(): Promise<void> {
    const content = Buffer.from(`${this.content().word} `.repeat(50_000)).toString("base64");
    const step = { type: "add_file", args: { path: "/added", content, encoding: "base64" } };
    const image = { base: "base", steps: [step] };
    await this.attempt("an upload", "POST", "/snapshots", { name: `n${this.lastNumber}`, image });
  }

  private async tryCheckpoint(id: unknown): Promise<void> {
    this.lastNumber += 1;
    const name = `c${this.lastNumber}`;
    await this.attempt("a checkpoint", "POST", `/sandboxes/${id}/checkpoints`, { name });
  }

  private async tryCreate(): Promise<void> {
    const answer = await this.attempt("a create", "POST", "/sandboxes", {});
    if (answer !== null) await this.attempt("a delete", "DELETE", `/sandboxes/${answer["sandboxID"]}`);
  }

  private async tryWrite(id: unknown): Promise<void> {
    const cmd = "head -c 3000000 /dev/zero > more; rm -f more; echo done";
    const answer = await this.attempt("a command", "POST", `/sandboxes/${id}/exec/run`, { cmd });
    if (answer !== null && !String(answer["stdout"]).includes("done")) {
      this.broken.push(`a command in a sandbox: ${JSON.stringify(answer)}`);
    }
  }

  /** It is done, or refused in words that say why. */
  private async attempt(what: string, method: string, path: string, json?: object) {
    this.count("requests");
    try {
      const answer = await this.server.call(method, path, json);
      const text = await answer.text();
      if (answer.ok) return (text === "" ? {} : JSON.parse(text)) as Readonly<Record<string, unknown>>;
      this.count("refusals");
      if (!HONEST.test(text)) this.broken.push(`${what}: ${answer.status} ${text}; ${this.server.lastWords}`);
    } catch (error) {
      this.broken.push(`${what}: ${String(error)}; ${this.server.isAlive ? "it lives" : this.server.lastWords}`);
    }
    return null;
  }

  private async stillAnswers(id: unknown, content: Content): Promise<void> {
    for (const path of ["/snapshots", "/sandboxes", "/builds", "/info"]) await this.must("reading", "GET", path);
    this.broken.push(...(await differences(this.server, id, [content])));
  }

  private async deletes(sandbox: unknown, snapshot: string): Promise<void> {
    await this.must("deleting a snapshot", "DELETE", `/snapshots/${snapshot}`);
    await this.must("deleting a sandbox", "DELETE", `/sandboxes/${sandbox}`);
    const { bavail: before } = await statfs(this.server.home);
    const { layers } = (await this.must("collecting", "POST", "/gc")) as { layers?: number };
    const { bavail: after } = await statfs(this.server.home);
    this.count("deletions");
    if (!layers || after <= before) this.broken.push(`collecting made no room: ${layers} layers, ${before} → ${after}`);
  }

  private async must(what: string, method: string, path: string): Promise<object> {
    try {
      return await ask(this.server, method, path);
    } catch (error) {
      this.broken.push(`${what} on a full disk: ${error instanceof Error ? error.message : String(error)}`);
      return {};
    }
  }

  private async isWellAgain(id: unknown, content: Content): Promise<void> {
    // What was begun without anybody waiting comes to its end.
    for (let tries = 0; tries < 50 && (await this.unfinished()).length > 0; tries += 1) await sleep(100);
    this.broken.push(...(await this.unfinished()));
    const [row] = this.database();
    if (row?.integrity_check !== "ok") this.broken.push(`the database: ${JSON.stringify(row)}`);
    await ask(this.server, "POST", `/sandboxes/${id}/hibernate`);
    this.lost.push(...(await differences(this.server, id, [content])));
    await ask(this.server, "DELETE", `/sandboxes/${id}`);
    for (const { snapshot, contents } of this.kept) await this.compare(snapshot, contents);
    await ask(this.server, "DELETE", `/snapshots/${await this.build()}`);
    await ask(this.server, "POST", "/gc");
  }

  private async unfinished(): Promise<string[]> {
    const lists = await Promise.all(
      ["/builds", "/checkpoints", "/snapshots"].map(async (path) => {
        const rows = (await ask(this.server, "GET", path)) as unknown as { id: string; status: string }[];
        return rows.map(({ id, status }) => ({ status, what: `${path}/${id} is still ${status}` }));
      }),
    );
    const isUnfinished = ({ status }: { status: string }) => ["running", "processing", "building"].includes(status);
    return lists
      .flat()
      .filter(isUnfinished)
      .map(({ what }) => what);
  }

  private database(): { integrity_check: string }[] {
    const database = new SqliteDatabase(join(this.server.home, "server.db"), { readonly: true });
    try {
      return database.pragma("integrity_check") as { integrity_check: string }[];
    } finally {
      database.close();
    }
  }

  /** A snapshot that works; the first one is kept for all rounds. */
  private async build(): Promise<string> {
    const contents = [this.content(), this.content()];
    const snapshot = `s${this.lastNumber}`;
    const image = { base: "base", steps: contents.map((content) => run(writeCommand(content))) };
    await ask(this.server, "POST", "/snapshots", { name: snapshot, image });
    if (this.kept.length === 0) this.kept.push({ snapshot, contents });
    await this.compare(snapshot, contents);
    return snapshot;
  }

  private async compare(snapshot: string, contents: readonly Content[]): Promise<void> {
    const { sandboxID: id } = await ask(this.server, "POST", "/sandboxes", { snapshot });
    this.lost.push(...(await differences(this.server, id, contents)));
    this.count("comparisons");
    await ask(this.server, "DELETE", `/sandboxes/${id}`);
  }

  private content(): Content {
    this.lastNumber += 1;
    return { word: `w${this.lastNumber}`, sizeBytes: this.run.between(100_000, 500_000) };
  }

  private count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}

/** All but about so many KiB. */
async function takeBytes(dir: string, leftKB: number): Promise<void> {
  const room = `dd if=/dev/zero of=${dir}/room bs=1024 count=${leftKB}`;
  const child = spawn("sh", ["-c", `${room}; cat /dev/zero > ${dir}/zeros; rm ${dir}/room`], { stdio: "ignore" });
  await once(child, "exit");
}

/** All but about so many. */
async function takeInodes(dir: string, left: number): Promise<void> {
  for (let number = 0; ; number += 1) {
    const isFull = await mkdir(join(dir, String(number))).then(
      () => false,
      () => true,
    );
    if (!isFull) continue;
    for (let one = 0; one < left; one += 1) await rm(join(dir, String(one)), { recursive: true, force: true });
    return;
  }
}

function run(command: string): object {
  return { type: "run", args: { commands: [command] } };
}
