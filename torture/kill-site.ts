import { createHash } from "node:crypto";
import type { RealServer } from "../test/fixtures/real-server";
import type { Account, Ledger } from "./ledger";
import { seededRandom } from "./seeded-random";

/** The server died before it answered: what was asked for may be done or not. */
export class Died extends Error {}

/** The server answered with an error. */
export class Refused extends Error {
  constructor(
    what: string,
    readonly status: number,
    text: string,
  ) {
    super(`${what} answered ${status}: ${text.slice(0, 500)}`);
  }
}

const DEATH_MS = 2_000;

/** One server, what it was asked for, and where the choices come from. */
export class KillSite {
  private readonly random: () => number;
  private count = 0;

  constructor(
    readonly server: RealServer,
    readonly ledger: Ledger,
    readonly runtime: "runc" | "runsc",
    seed: number,
  ) {
    this.random = seededRandom(seed);
  }

  /** A name that was never given before. */
  unique(prefix: string): string {
    this.count += 1;
    return `${prefix}-${this.count}-${this.between(0, 999_999)}`;
  }

  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + Math.floor(this.random() * (to - from + 1));
  }

  chance(share: number): boolean {
    return this.random() < share;
  }

  /** Text that nobody can guess, and its SHA-256. */
  content(length: number): { readonly text: string; readonly sha256: string } {
    let text = "";
    while (text.length < length) text += Math.floor(this.random() * 2 ** 32).toString(36);
    return { text: text.slice(0, length), sha256: createHash("sha256").update(text.slice(0, length)).digest("hex") };
  }

  /** One of them; undefined where there is none. */
  oneOf<T>(items: readonly T[]): T | undefined {
    return items[this.between(0, items.length - 1)];
  }

  /** Asks, and returns the answer's JSON. @throws Died, or where the answer is an error */
  async ask(method: string, path: string, json?: object): Promise<unknown> {
    const { status, text } = await this.send(() => this.server.call(method, path, json));
    if (status >= 400) throw new Refused(`${method} ${path}`, status, text);
    return text === "" ? undefined : JSON.parse(text);
  }

  /** Like {@link ask}, with bytes. */
  async put(path: string, text: string): Promise<void> {
    const headers = { "X-API-Key": this.server.card.apiKey };
    const url = `${this.server.card.url}/api${path}`;
    const { status, text: said } = await this.send(() => fetch(url, { method: "PUT", headers, body: text }));
    if (status >= 400) throw new Refused(`PUT ${path}`, status, said);
  }

  /** The answer of a question that an answer of 404 is an answer to. */
  async find(path: string): Promise<unknown> {
    const { status, text } = await this.send(() => this.server.call("GET", path));
    if (status === 404) return undefined;
    if (status >= 400) throw new Refused(`GET ${path}`, status, text);
    return JSON.parse(text);
  }

  /** Runs a command inside and returns what it printed. @throws Died, or where it fails */
  async exec(id: string, cmd: string): Promise<string> {
    const told = (await this.ask("POST", `/sandboxes/${id}/exec/run`, { cmd })) as Record<string, unknown>;
    if (told["exitCode"] !== 0)
      throw new Error(`${cmd.slice(0, 80)} in ${id} gave ${JSON.stringify(told).slice(0, 500)}`);
    return String(told["stdout"]);
  }

  /** Works with something that nobody else may change meanwhile. */
  async hold<S, T>(account: Account<S>, work: (state: S) => Promise<T>): Promise<T> {
    const state = account.certain;
    if (account.busy || state === undefined) throw new Error("somebody else is at work with it");
    account.busy = true;
    const done = await work(state);
    // Where that failed, nobody shall use it until somebody has looked.
    account.busy = false;
    return done;
  }

  private async send(call: () => Promise<Response>): Promise<{ readonly status: number; readonly text: string }> {
    try {
      const answer = await call();
      return { status: answer.status, text: await answer.text() };
    } catch (error) {
      for (const end = Date.now() + DEATH_MS; Date.now() < end && this.server.isAlive; ) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      if (!this.server.isAlive) throw new Died();
      throw error;
    }
  }
}
