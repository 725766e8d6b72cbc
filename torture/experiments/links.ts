import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Engine } from "../../src/engines/engine";
import { createLocalEngine } from "../../src/engines/local/local-engine";
import { cacheHome } from "../../src/paths";
import { Canary, escaped } from "../../test/fixtures/canary";
import { homeCensus } from "../../test/fixtures/home-census";
import { FileCalls, leadsTo, SWAPPED, SWAPPER } from "../../test/fixtures/link-swaps";
import type { Experiment } from "../experiment";
import type { TortureRun } from "../torture-run";

const RUNTIMES = ["runc", "runsc"] as const;
const SHORT_SECONDS = 4;

/** `links`: the file calls of a sandbox stay inside it. */
export const links: Experiment = {
  name: "links",
  promise:
    "Files of a sandbox are read, written, listed, made and removed inside of it, whatever its programs swap meanwhile.",
  method:
    "Root inside swaps a directory and a file with links to the host's files, by every way through /proc and up, as fast as it can, while all file calls go through them; a canary on the host, what was told and how long it took tell of it.",
  share: 2,
  async run(run) {
    const counts = { swaps: 0, "file calls": 0, "file calls that were done": 0, runtimes: 0 };
    const [leaked, broken]: [string[], string[]] = [[], []];
    const seconds = run.size === "short" ? SHORT_SECONDS : (run.deadline - Date.now()) / 1000 / RUNTIMES.length - 20;
    for (const runtime of RUNTIMES) {
      if (run.signal.aborted) break;
      const site = await LinkSite.open(run, runtime);
      await site.swap(seconds);
      counts.swaps += site.swaps;
      counts["file calls"] += site.calls.made;
      counts["file calls that were done"] += site.calls.done;
      counts.runtimes += 1;
      broken.push(...site.calls.wrong.map((one) => `${runtime}: ${one}`));
      leaked.push(...(await site.close()));
    }
    return { counts, lost: [], leaked: [...leaked, ...escaped()], broken };
  },
};

const ID = "sb-links";

/** An engine with one sandbox, and a canary on the host. */
class LinkSite {
  swaps = 0;

  private constructor(
    private readonly run: TortureRun,
    private readonly engine: Engine,
    private readonly home: string,
    private readonly canary: Canary,
    readonly calls: FileCalls,
  ) {}

  static async open(run: TortureRun, runtime: (typeof RUNTIMES)[number]): Promise<LinkSite> {
    const home = join(run.dir, runtime);
    mkdirSync(home);
    const canary = new Canary(join(run.dir, `canary-${runtime}`));
    const cacheDir = cacheHome({ env: process.env, uid: 0, homeDir: homedir() });
    const engine = createLocalEngine({ home, cacheDir, runtime, hostEnv: process.env });
    const { signal } = run;
    await engine.start({ knownSandboxes: [], onProgress: (line) => run.say(line), signal });
    run.defer(() => engine.stop());
    const layers = [engine.describe().baseDigest];
    run.defer(() => engine.destroySandbox(ID).catch(() => undefined));
    await engine.createSandbox(
      { id: ID, checkpoint: { layers, env: {}, workdir: null }, memoryMB: 512, cpuCount: 1 },
      signal,
    );
    return new LinkSite(run, engine, home, canary, new FileCalls(engine, ID, canary));
  }

  async swap(seconds: number): Promise<void> {
    const { engine, run, canary } = this;
    const argv = ["python3", "-c", SWAPPER, String(seconds), ...leadsTo(canary.dir)] as const;
    const spec = {
      argv,
      env: {},
      cwd: "/",
      user: "root",
      timeoutMs: (seconds + 60) * 1000,
      signal: run.signal,
    } as const;
    const execution = await engine.exec(ID, spec);
    let isOver = false;
    const over = execution.result.finally(() => {
      isOver = true;
    });
    const said = Promise.all([text(execution.stdout), text(execution.stderr)]);
    while (!isOver && !run.signal.aborted) await this.calls.round(run.signal);
    const { exitCode } = await over;
    if (exitCode !== 0) throw new Error(`the swapper ended with ${exitCode}: ${(await said).join(" ")}`);
    this.swaps = Number(await text(await engine.readFile(ID, SWAPPED.count, run.signal)));
  }

  /** What is left, of the sandbox and outside. */
  async close(): Promise<string[]> {
    await this.engine.destroySandbox(ID);
    await this.engine.stop();
    return [...this.canary.changes(), ...homeCensus(this.home, (name) => name === ID)];
  }
}
