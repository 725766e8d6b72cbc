import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findBinaries, searchDirs } from "../src/engines/local/binaries";
import { digestOf } from "../src/image/hash";
import { cacheHome } from "../src/paths";
import type { Canary } from "../test/fixtures/canary";
import { homeCensus } from "../test/fixtures/home-census";
import { breaches, HOSTILE_CALLS, hostileProgram } from "../test/fixtures/hostile-calls";
import {
  HOSTILE_WORKDIRS,
  type HostilePlace,
  MAKE_LINKS,
  OVERWRITE,
  openCanary,
  reachFor,
} from "../test/fixtures/hostile-images";
import { RealServer } from "../test/fixtures/real-server";
import type { TortureRun } from "./torture-run";

type Answer = Readonly<Record<string, unknown>>;

/** Whatever is attacked, an answer comes within this; a command that an agent does not begin is given up before. */
const ANSWER_LIMIT_MS = 60_000;
const LOOK_MS = 250;

interface ExecOptions {
  readonly cwd?: string;
  /** Seconds. */
  readonly timeout?: number;
  readonly stdin?: string;
}

/** What root does to that which runs its commands, in the shell. */
export const TRICKS: readonly string[] = [
  "kill -STOP 1; sleep 30",
  "kill -9 1",
  "kill -9 -1",
  "for fd in /proc/1/fd/*; do timeout 1 head -c 100000 /dev/urandom > $fd; done",
  "rm -rf --one-file-system --no-preserve-root /usr /etc /home",
];

/** A server on one runtime, a neighbour in it, a canary on the host, and whatever wants out. */
export class EscapeSite {
  readonly counts = { asked: 0, workdirs: 0, images: 0, strikes: 0, tricks: 0, answers: 0 };
  readonly broken: string[] = [];
  private readonly ids = new Set<string>();
  private neighbour = "";
  private isOver = false;
  private isAway = false;
  private watching: Promise<void> = Promise.resolve();

  private constructor(
    readonly runtime: "runc" | "runsc",
    private readonly server: RealServer,
    private readonly canary: Canary,
    private readonly programs: ReadonlyMap<string, string>,
  ) {}

  static async open(run: TortureRun, runtime: "runc" | "runsc"): Promise<EscapeSite> {
    const server = new RealServer({ dir: join(run.dir, runtime), runtime });
    run.defer(() => server.end("SIGTERM"));
    const canary = openCanary(join(run.dir, `canary-${runtime}`));
    await server.start();
    const site = new EscapeSite(runtime, server, canary, await hostPrograms(runtime));
    site.neighbour = await site.create();
    site.watching = site.watch();
    return site;
  }

  /** Root and the user ask the kernel for what it must not give. */
  async askKernel(id: string): Promise<void> {
    for (const asker of ["sudo python3", "python3"]) {
      await this.exec(id, "cat > /tmp/ask.py", { stdin: hostileProgram() });
      const { stdout, stderr } = await this.exec(id, `${asker} /tmp/ask.py; sudo rm -rf /tmp/ask.py /tmp/jail`);
      const got = breaches(String(stdout), this.runtime === "runsc");
      this.broken.push(...got.map((one) => `${this.runtime}, ${asker}: ${one} ${stderr}`));
      this.counts.asked += HOSTILE_CALLS.length;
    }
  }

  /** Commands in directories that may lead out. */
  async tryWorkdirs(id: string): Promise<void> {
    await this.exec(id, `sudo sh -c '${MAKE_LINKS}'`);
    for (const cwd of HOSTILE_WORKDIRS) {
      const said = await this.exec(id, reachFor(join(this.canary.dir, "file")), { cwd });
      if (JSON.stringify(said).includes(this.canary.secret)) this.broken.push(`${this.runtime}: ${cwd} leads out`);
      if (said["status"] !== 200 && said["status"] !== 400) this.broken.push(`${cwd}: ${JSON.stringify(said)}`);
      this.counts.workdirs += 1;
    }
  }

  /** An image in which a place that the runtime uses was replaced, what is built on it, and a sandbox of that. */
  async tryPlace({ name, replace }: HostilePlace): Promise<void> {
    const commands = [[`{ ${replace(this.canary.dir)}; } 2>/dev/null; true`], ["echo more > /more"]];
    const steps = commands.map((one) => ({ type: "run", args: { commands: one } }));
    const snapshot = `hostile-${this.counts.images}`;
    const built = await this.call("POST", "/snapshots", { name: snapshot, image: { base: "base", steps } });
    this.counts.images += 1;
    const isBuilt = built["status"] === 201 || built["status"] === 200;
    const wish = { snapshot, memoryMB: 256, cpuCount: 1 };
    const made = isBuilt ? await this.call("POST", "/sandboxes", wish) : built;
    if (typeof made["sandboxID"] === "string") {
      this.ids.add(made["sandboxID"]);
      const said = await this.exec(made["sandboxID"], reachFor(join(this.canary.dir, "file")));
      if (JSON.stringify(said).includes(this.canary.secret)) this.broken.push(`${this.runtime}: ${name}: got out`);
      await this.remove(made["sandboxID"]);
    } else if (typeof made["error"] !== "string") {
      this.broken.push(`${this.runtime}: ${name}: no word of what is wrong: ${JSON.stringify(made)}`);
    }
    await this.call("DELETE", `/snapshots/${snapshot}`);
  }

  /** Writes to every program in sight while commands run, and while the server comes again. */
  async overwrite(id: string, rounds: number): Promise<void> {
    await this.exec(id, "cat > /tmp/strike.py; rm -f /tmp/stop /tmp/tries", { stdin: OVERWRITE });
    await this.exec(id, "sudo python3 /tmp/strike.py >/dev/null 2>&1 &");
    for (let round = 0; round < rounds; round++) {
      await this.restart();
      await Promise.all(Array.from({ length: 8 }, () => this.exec(id, "cat /proc/self/exe > /dev/null; sleep 0.05")));
    }
    const { stdout } = await this.exec(id, "touch /tmp/stop; sleep 0.7; cat /tmp/tries");
    this.counts.strikes += Number(stdout);
    for (const [path, digest] of this.programs) {
      if (digestOf(readFileSync(path)) !== digest) this.broken.push(`${this.runtime}: ${path} was overwritten`);
    }
  }

  /** Turns on what runs the commands of a sandbox. Nobody hangs, and it can be removed. */
  async turnOnAgent(trick: string): Promise<void> {
    const id = await this.create();
    await this.exec(id, `sudo sh -c '${trick}'`, { timeout: 2 });
    const next = this.exec(id, "echo alive").catch((error: unknown) => {
      this.broken.push(`${this.runtime}: after ${trick}: ${error}`);
    });
    await Promise.race([next, sleep(1_000)]);
    await this.remove(id);
    await next;
    this.counts.tricks += 1;
  }

  async create(): Promise<string> {
    const { sandboxID, ...rest } = await this.call("POST", "/sandboxes", { memoryMB: 512, cpuCount: 1 });
    if (typeof sandboxID !== "string") throw new Error(`no sandbox: ${JSON.stringify(rest)}`);
    this.ids.add(sandboxID);
    return sandboxID;
  }

  async remove(id: string): Promise<void> {
    const { status } = await this.call("DELETE", `/sandboxes/${id}`);
    if (![200, 204].includes(Number(status))) this.broken.push(`${this.runtime}: DELETE answered ${status}`);
  }

  /** Ends all; what is left of it then. */
  async close(): Promise<string[]> {
    this.isOver = true;
    await this.watching;
    await this.remove(this.neighbour);
    await this.server.end("SIGTERM");
    this.broken.push(...this.canary.changes());
    return homeCensus(this.server.home, (name) => this.ids.has(name));
  }

  /** Asks the server how it is and the neighbour for a command, all the while. */
  private async watch(): Promise<void> {
    for (; !this.isOver; await sleep(LOOK_MS)) {
      if (this.isAway) continue;
      const [health, said] = await Promise.all([
        fetch(`${this.server.card.url}/health`).then(({ status }) => status, String),
        this.exec(this.neighbour, "echo fine").catch((error: unknown) => ({ stdout: String(error) })),
      ]);
      // What was asked as the server went is nobody's fault.
      if (this.isAway) continue;
      this.counts.answers += 1;
      if (health !== 200) this.broken.push(`${this.runtime}: the server's health is ${health}`);
      if (said["stdout"] !== "fine\n") this.broken.push(`${this.runtime}: the neighbour says ${JSON.stringify(said)}`);
    }
  }

  private async restart(): Promise<void> {
    this.isAway = true;
    await this.server.end("SIGTERM");
    await this.server.start();
    this.isAway = false;
  }

  private async exec(id: string, cmd: string, more: ExecOptions = {}): Promise<Answer> {
    const { stdin, ...options } = more;
    const fed = stdin === undefined ? cmd : `base64 -d <<'EOF' | { ${cmd}; }\n${toBase64(stdin)}\nEOF`;
    return this.call("POST", `/sandboxes/${id}/exec/run`, { cmd: fed, ...options });
  }

  /** The answer with its status. @throws where none comes in time */
  private async call(method: string, path: string, json?: object): Promise<Answer> {
    const limit = new AbortController();
    const giveUp = sleep(ANSWER_LIMIT_MS, undefined, { signal: limit.signal, ref: false }).then(() => {
      throw new Error(`${method} ${path}: no answer within ${ANSWER_LIMIT_MS / 1000} s`);
    });
    giveUp.catch(() => undefined);
    try {
      const response = await Promise.race([this.server.call(method, path, json), giveUp]);
      const text = await response.text();
      return { ...(text.startsWith("{") ? JSON.parse(text) : {}), status: response.status };
    } finally {
      limit.abort();
    }
  }
}

const toBase64 = (text: string): string => Buffer.from(text).toString("base64");

/** What of the host comes inside, or is beside what does: path and digest of each. */
async function hostPrograms(runtime: "runc" | "runsc"): Promise<ReadonlyMap<string, string>> {
  const cacheDir = cacheHome({ env: process.env, uid: 0, homeDir: homedir() });
  const found = await findBinaries({ runtime }, searchDirs(process.env["PATH"], cacheDir));
  const paths = [found.runtime.path, found.agent, found.hand, process.execPath];
  return new Map(paths.map((path) => [path, digestOf(readFileSync(path))]));
}
