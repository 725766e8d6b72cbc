import { setTimeout as sleep } from "node:timers/promises";
import { type RealServer, untilTrue } from "../test/fixtures/real-server";
import { type Content, differences, writeCommand } from "./kept-content";
import type { TortureRun } from "./torture-run";

/** Something that the server acknowledged: it has to be there from now on. */
interface Kept {
  readonly what: string;
  readonly contents: readonly Content[];
  /** A sandbox that has it, and whether that is to be removed when it was looked at. */
  readonly open: (server: RealServer) => Promise<unknown>;
}

type Fields = Readonly<Record<string, unknown>>;

/** People at work on a server: whatever it says is done is written down. */
export class PowerTraffic {
  /** All that was acknowledged and not deleted since, by what it is. */
  readonly kept = new Map<string, Kept>();
  /** Names whose deletion was acknowledged. */
  readonly deleted = new Set<string>();
  readonly counts = { acknowledged: 0, snapshots: 0, checkpoints: 0, hibernations: 0, deletions: 0 };
  private readonly names: string[] = [];
  private lastNumber = 0;
  private onAcknowledged = () => {};

  constructor(
    private readonly server: RealServer,
    private readonly run: TortureRun,
    private readonly kinds: readonly ["disk_only", ...("disk_only" | "full")[]],
  ) {}

  /** Works until the signal fires or the server is gone; what fails then was not promised. */
  async work(signal: AbortSignal): Promise<void> {
    const forever = async (act: () => Promise<void>) => {
      // A server that has lost its disk or its life answers with errors: nothing was promised, and nobody asks on.
      while (!signal.aborted && this.server.isAlive) await act().catch(() => sleep(20));
    };
    await Promise.all([
      forever(() => this.publish()),
      forever(() => this.publish()),
      forever(() => this.checkpoint()),
      forever(() => this.hibernate()),
      forever(() => this.remove()),
    ]);
  }

  /** Resolves as soon as so many more were acknowledged. */
  acknowledged(count: number): Promise<void> {
    let left = count;
    return new Promise((resolve) => {
      this.onAcknowledged = () => {
        left -= 1;
        if (left <= 0) resolve();
      };
    });
  }

  private keep(kind: "snapshots" | "checkpoints" | "hibernations", kept: Kept): void {
    this.kept.set(kept.what, kept);
    this.note(kind);
  }

  private note(kind: Exclude<keyof PowerTraffic["counts"], "acknowledged">): void {
    this.counts[kind] += 1;
    this.counts.acknowledged += 1;
    this.onAcknowledged();
  }

  private content(): Content {
    this.lastNumber += 1;
    return { word: `w${this.lastNumber}`, sizeBytes: this.run.between(1, 200_000) };
  }

  private async publish(): Promise<void> {
    const contents = [this.content(), this.content()];
    const isNew = this.names.length < 3 || this.run.random() < 0.3;
    const name = isNew ? `s${this.lastNumber}` : this.run.pick(this.names as [string, ...string[]]);
    const steps = contents.map((content) => ({ type: "run", args: { commands: [writeCommand(content)] } }));
    // By default a name keeps one version beside the current one.
    const wish = { name, image: { base: "base", steps }, ifExists: "version", retention: { keepLast: 1000 } };
    const { version } = await this.ask("POST", "/snapshots", wish);
    const ref = `${name}@${version}`;
    if (this.deleted.has(name)) return;
    if (isNew) this.names.push(name);
    const open = async (server: RealServer) => (await ask(server, "POST", "/sandboxes", { snapshot: ref })).sandboxID;
    this.keep("snapshots", { what: ref, contents, open });
  }

  private async checkpoint(): Promise<void> {
    const { id, content } = await this.sandbox();
    const kind = this.run.pick(this.kinds);
    const { id: cid } = await this.ask("POST", `/sandboxes/${id}/checkpoints`, { name: "kept", kind });
    await untilTrue(20_000, async () => (await this.ask("GET", `/checkpoints/${cid}`)).status !== "processing");
    if ((await this.ask("GET", `/checkpoints/${cid}`)).status !== "ready") return;
    const open = async (server: RealServer) =>
      (await ask(server, "POST", `/sandboxes/from-checkpoint/${cid}`, {})).sandboxID;
    this.keep("checkpoints", { what: `checkpoint ${cid}`, contents: [content], open });
    await this.ask("DELETE", `/sandboxes/${id}`);
  }

  private async hibernate(): Promise<void> {
    const { id, content } = await this.sandbox();
    await this.ask("POST", `/sandboxes/${id}/hibernate`);
    this.keep("hibernations", { what: `sandbox ${id}`, contents: [content], open: async () => id });
    await sleep(this.run.between(100, 400));
  }

  /** Only one at a time, and only what nobody adds versions to any more. */
  private async remove(): Promise<void> {
    await sleep(this.run.between(300, 900));
    const name = this.names.length > 4 ? this.names.shift() : undefined;
    if (name === undefined) return;
    // From the question on nothing is promised of it, until the answer.
    this.deleted.add(name);
    for (const what of [...this.kept.keys()]) if (what.startsWith(`${name}@`)) this.kept.delete(what);
    await sleep(300);
    await this.ask("DELETE", `/snapshots/${name}`);
    this.gone.add(name);
    this.note("deletions");
  }

  /** Names of which an answer said that they are gone. */
  readonly gone = new Set<string>();

  private async sandbox(): Promise<{ id: unknown; content: Content }> {
    const content = this.content();
    const { sandboxID: id } = await this.ask("POST", "/sandboxes", {});
    const { exitCode, stderr } = await this.ask("POST", `/sandboxes/${id}/exec/run`, { cmd: writeCommand(content) });
    if (exitCode !== 0) throw new Error(String(stderr));
    return { id, content };
  }

  private ask(method: string, path: string, json?: object): Promise<Fields> {
    return ask(this.server, method, path, json);
  }
}

/** @throws where the answer is an error */
export async function ask(server: RealServer, method: string, path: string, json?: object): Promise<Fields> {
  const answer = await server.call(method, path, json);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text === "" ? {} : JSON.parse(text);
}

/** What is wrong with something that was acknowledged. */
export async function problemsOf(server: RealServer, { what, contents, open }: Kept): Promise<string[]> {
  try {
    const id = await open(server);
    const found = await differences(server, id, contents);
    if (!what.startsWith("sandbox")) await ask(server, "DELETE", `/sandboxes/${id}`);
    else await ask(server, "POST", `/sandboxes/${id}/hibernate`);
    return found.map((problem) => `${what}: ${problem}`);
  } catch (error) {
    return [`${what}: ${error instanceof Error ? error.message : String(error)}`];
  }
}
