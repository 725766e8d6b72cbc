import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RealServer } from "../test/fixtures/real-server";
import { tinyBaseEnvironment } from "../test/fixtures/tiny-base";
import { type Content, differences, writeCommand } from "./kept-content";
import { ask } from "./power-traffic";
import type { TortureRun } from "./torture-run";

/** Does something to a layer's directory, or to a file in its tree. */
export type Damage = (run: TortureRun, layer: string, file: string) => Promise<void>;

/** Where what is damaged stands in a tree. */
export const HOLDS_FILES = "home/sandbox";

/** Neither size nor time of change tells of it. */
export async function flipBit(run: TortureRun, file: string): Promise<void> {
  const bytes = await readFile(file);
  const at = run.between(0, bytes.length - 1);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << run.between(0, 7));
  const { atime, mtime } = await stat(file);
  await writeFile(file, bytes);
  await utimes(file, atime, mtime);
}

/** A server, what it is asked for, and what is done to its disk. */
export class CorruptionSite {
  readonly counts: Record<string, number> = { damages: 0, rebuilds: 0, refusals: 0, comparisons: 0 };
  readonly broken: string[] = [];
  private lastNumber = 0;

  private constructor(
    private readonly run: TortureRun,
    readonly server: RealServer,
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  static async open(run: TortureRun): Promise<CorruptionSite> {
    const dir = join(run.dir, "corruption");
    const server = new RealServer({ dir, runtime: "runc" });
    run.defer(() => server.end("SIGKILL"));
    const site = new CorruptionSite(run, server, tinyBaseEnvironment(dir));
    await server.start(site.env);
    return site;
  }

  /** An image of three layers; the one in the middle is damaged. */
  async damageLayer(what: string, damage: Damage): Promise<void> {
    const { name, contents, layers } = await this.image(what);
    const layer = join(this.server.home, "layers", layers[1] ?? "");
    const needsReading = what === "a flipped bit";
    await this.expectSame(what, name, contents);
    await this.server.end("SIGTERM");
    await damage(this.run, layer, join(layer, "fs", HOLDS_FILES, contents[1]?.word ?? "", "1"));
    this.count("damages");
    await this.server.start(this.env);
    if (needsReading) await this.verify(what, 1);
    const log = await this.buildLog(name);
    await this.expectSame(what, name, contents);
    const after = await this.buildLog(name);
    if (log === after) this.broken.push(`${what}: nothing was built again`);
    else this.count("rebuilds");
    const isTold = what === "a missing layer" || after.includes("was damaged");
    if (!isTold) this.broken.push(`${what}: the build does not say what was damaged: ${after}`);
    await ask(this.server, "DELETE", `/snapshots/${name}`);
  }

  /** What a checkpoint holds cannot be made again: it is refused, in words that say so. */
  async damageCheckpoint(): Promise<void> {
    const content = this.content();
    const { sandboxID: id } = await ask(this.server, "POST", "/sandboxes", {});
    await ask(this.server, "POST", `/sandboxes/${id}/exec/run`, { cmd: writeCommand(content) });
    const before = await this.layers();
    const { id: cid } = await ask(this.server, "POST", `/sandboxes/${id}/checkpoints`, { name: "kept" });
    while ((await ask(this.server, "GET", `/checkpoints/${cid}`)).status === "processing") await this.verify("idle", 0);
    await this.verify("a checkpoint", 0);
    const [layer = ""] = (await this.layers()).filter((name) => !before.includes(name));
    await flipBit(this.run, join(this.server.home, "layers", layer, "fs", HOLDS_FILES, content.word, "1"));
    this.count("damages");
    await this.verify("a checkpoint with a flipped bit", 1);
    await this.expectRefusal("a checkpoint", `/sandboxes/from-checkpoint/${cid}`, "damaged");
    // The sandbox itself stands on nothing that was damaged.
    this.broken.push(...(await differences(this.server, id, [content])));
    await ask(this.server, "DELETE", `/sandboxes/${id}`);
  }

  /** Bytes that somebody uploaded reach no layer when they are not what they were. */
  async damageBlob(): Promise<void> {
    const bytes = Buffer.from(`${this.content().word} `.repeat(10_000));
    const inline = {
      type: "add_file",
      args: { path: "/added", content: bytes.toString("base64"), encoding: "base64" },
    };
    const name = `s${this.lastNumber}`;
    const wish = { name, image: { base: "base", steps: [inline] } };
    await ask(this.server, "POST", "/snapshots", wish);
    const before = await this.layers();
    await ask(this.server, "DELETE", `/snapshots/${name}`);
    await ask(this.server, "POST", "/gc");
    const [blob] = await blobsIn(this.server.home);
    if (blob === undefined || (await this.layers()).length >= before.length)
      throw new Error("there is no blob to damage");
    await flipBit(this.run, blob);
    this.count("damages");
    const digest = `sha256:${blob.split("/").at(-1)}`;
    const step = { type: "add_file", args: { path: "/added", digest, executable: false } };
    const again = { name, image: { version: 1, base: "base", steps: [step] } };
    await this.expectRefusal("an uploaded file", "/snapshots", "blob_missing", again);
    if (existsSync(blob)) this.broken.push("an uploaded file that is damaged is still kept");
    await ask(this.server, "POST", "/snapshots", wish);
    await ask(this.server, "DELETE", `/snapshots/${name}`);
  }

  /** Foreign things in the store stand in nobody's way, and a collection removes them. */
  async damageStore(): Promise<void> {
    const { home } = this.server;
    for (const folder of ["layers", "memory"]) {
      await writeFile(join(home, folder, "foreign-file"), "x");
      await mkdir(join(home, folder, "foreign-folder"));
    }
    this.count("damages");
    const { name, contents } = await this.image("foreign things");
    await this.expectSame("foreign things", name, contents);
    await ask(this.server, "DELETE", `/snapshots/${name}`);
    await ask(this.server, "POST", "/gc");
    for (const folder of ["layers", "memory"]) {
      const left = (await readdir(join(home, folder))).filter((entry) => entry.startsWith("foreign"));
      this.broken.push(...left.map((entry) => `${folder}/${entry} is left`));
    }
  }

  /** The base is linked to the cache's: both are damaged at once, and made again. */
  async damageBase(): Promise<void> {
    const { name, contents } = await this.image("the base");
    await this.verify("the base", 0);
    const bases = [];
    for (const layer of await this.layers()) {
      const file = join(this.server.home, "layers", layer, "fs/etc/os-release");
      if (existsSync(file)) bases.push(file);
    }
    await flipBit(this.run, bases[0] ?? "");
    this.count("damages");
    await this.verify("the base", 1);
    await this.expectSame("the base", name, contents);
    await this.verify("the base that was made again", 0);
    this.count("rebuilds");
    await ask(this.server, "DELETE", `/snapshots/${name}`);
  }

  /** A database that is torn is refused, in words; with the one that was it goes on. */
  async damageDatabase(): Promise<void> {
    const { name, contents } = await this.image("the database");
    await this.server.end("SIGTERM");
    const file = join(this.server.home, "server.db");
    await cp(file, `${file}.whole`);
    const bytes = await readFile(file);
    bytes.fill(0xa5, 4096, Math.min(bytes.length, 40_960));
    await writeFile(file, bytes);
    this.count("damages");
    const refusal = await this.server.start(this.env).then(
      () => "it started",
      (error: Error) => error.message,
    );
    if (refusal.includes("the database is damaged")) this.count("refusals");
    else this.broken.push(`a damaged database: ${refusal}`);
    await this.server.end("SIGKILL");
    await cp(`${file}.whole`, file);
    for (const side of ["-wal", "-shm"]) await rm(file + side, { force: true });
    await this.server.start(this.env);
    await this.expectSame("the database", name, contents);
  }

  private async image(what: string) {
    const contents = [this.content(), this.content(), this.content()];
    const steps = contents.map((content) => ({ type: "run", args: { commands: [writeCommand(content)] } }));
    const name = `s${this.lastNumber}`;
    const image = { base: "base", steps };
    await ask(this.server, "POST", "/snapshots", { name, image });
    const { keys } = (await ask(this.server, "POST", "/plan", { image })) as { keys: string[] };
    // From here on it is written down what each layer holds.
    await this.verify(what, 0);
    return { name, contents, layers: keys.map((key) => key.slice(0, 16)) };
  }

  private content(): Content {
    this.lastNumber += 1;
    return { word: `w${this.lastNumber}`, sizeBytes: this.run.between(1, 100_000) };
  }

  private async verify(what: string, expected: number): Promise<void> {
    const { damaged = [] } = (await ask(this.server, "POST", "/gc?verify=1")) as { damaged?: object[] };
    const isRight = expected === 0 ? damaged.length === 0 : damaged.length >= expected;
    if (!isRight) this.broken.push(`${what}: verifying found ${JSON.stringify(damaged)} instead of ${expected}`);
  }

  private async expectSame(what: string, snapshot: string, contents: readonly Content[]): Promise<void> {
    const { sandboxID: id } = await ask(this.server, "POST", "/sandboxes", { snapshot });
    const found = await differences(this.server, id, contents);
    this.broken.push(...found.map((problem) => `${what}: ${problem}`));
    this.count("comparisons");
    await ask(this.server, "DELETE", `/sandboxes/${id}`);
  }

  private async expectRefusal(what: string, path: string, code: string, json: object = {}): Promise<void> {
    const answer = await this.server.call("POST", path, json);
    const text = await answer.text();
    if (!answer.ok && text.includes(`"code":"${code}"`)) this.count("refusals");
    else this.broken.push(`${what}: ${answer.status} ${text} instead of ${code}`);
  }

  /** What the builds of an image have said. */
  private async buildLog(name: string): Promise<string> {
    const builds = (await ask(this.server, "GET", "/builds")) as unknown as { id: string }[];
    const answer = await this.server.call(
      "GET",
      `/builds/${builds[0]?.id}/log?follow=0`,
      undefined,
      "text/event-stream",
    );
    return `${name} ${await answer.text()}`;
  }

  private layers(): Promise<string[]> {
    return readdir(join(this.server.home, "layers"));
  }

  private count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}

async function blobsIn(home: string): Promise<string[]> {
  const entries = await readdir(join(home, "blobs/sha256"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
