import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Failpoint } from "../src/failpoint";
import { containersOf, homeCensus } from "../test/fixtures/home-census";
import { compareWithRecords } from "../test/fixtures/home-records";
import { RealServer } from "../test/fixtures/real-server";
import { check, type Damage } from "./kill-check";
import { KillSite } from "./kill-site";
import { keepBusy, wayTo } from "./kill-traffic";
import { Ledger } from "./ledger";
import { endMachine } from "./machine-end";
import { checkpoint, create } from "./sandbox-deeds";
import { build } from "./snapshot-deeds";
import type { TortureRun } from "./torture-run";

/** How long the traffic may take to come to a failpoint. */
const PATIENCE_MS = 40_000;
/** When a server is killed after its traffic began, at the latest. */
const MAX_LIFE_MS = 1_000;

/** One server that is killed again and again, in one home. */
export class Siege {
  readonly damage: Damage = { lost: [], leaked: [], broken: [] };
  readonly reached = new Set<Failpoint>();
  kills = 0;
  reboots = 0;
  files = 0;
  private readonly site: KillSite;
  /** Every container that was seen. */
  private readonly containers = new Set<string>();

  private constructor(
    private readonly run: TortureRun,
    readonly runtime: "runc" | "runsc",
  ) {
    const server = new RealServer({ dir: join(run.dir, runtime), runtime });
    // One of its own, because others make their choices beside it.
    this.site = new KillSite(server, new Ledger(), runtime, run.between(0, 2 ** 31));
    run.defer(() => this.abandon());
  }

  /** With a server that runs, after it died at these points of its first start. */
  static async open(run: TortureRun, runtime: "runc" | "runsc", failpoints: readonly Failpoint[]): Promise<Siege> {
    const siege = new Siege(run, runtime);
    for (const failpoint of failpoints) await siege.dieStarting(failpoint);
    await siege.site.server.start();
    // Something to lose from the first kill on.
    for (const deed of [build, build, create, create, checkpoint]) await deed(siege.site);
    return siege;
  }

  get acknowledged(): number {
    return this.site.ledger.acknowledged;
  }

  /** Kills the server that runs at some moment, and the next ones at the failpoints; then looks at everything. */
  async round(failpoints: readonly Failpoint[], withReboot: boolean): Promise<void> {
    await this.dieSometime();
    if (withReboot) await this.reboot();
    for (const failpoint of failpoints) await this.dieAt(failpoint);
    this.note();
    await this.site.server.start();
    const { files, ...damage } = await check(this.site);
    this.files += files;
    for (const kind of ["lost", "leaked", "broken"] as const) {
      this.damage[kind].push(
        ...damage[kind].map((line) => `${this.runtime}, after ${["a kill", ...failpoints].join(", ")}: ${line}`),
      );
    }
  }

  /** Deletes everything, and requires that nothing is left. */
  async close(): Promise<void> {
    const { server, ledger } = this.site;
    const { leaked } = this.damage;
    for (const [name, { certain }] of ledger.names) {
      if (certain?.hashes.length) await this.site.ask("DELETE", `/snapshots/${name}`);
    }
    for (const id of ledger.sandboxes.keys()) await this.site.ask("DELETE", `/sandboxes/${id}`);
    for (const [id, { sandboxId }] of ledger.checkpoints) {
      await this.site.ask("DELETE", `/sandboxes/${sandboxId}/checkpoints/${id}`);
    }
    await this.site.ask("POST", "/gc");
    this.note();
    await server.end("SIGTERM");
    const { stray, missing } = compareWithRecords(server.home);
    const layers = readdirSync(join(server.home, "layers"));
    const held = homeCensus(server.home, (name) => this.containers.has(name));
    const all = [...stray, ...missing.map((line) => `missing ${line}`), ...held, ...(layers.length > 1 ? layers : [])];
    leaked.push(...all.map((line) => `${this.runtime}, after everything was deleted: ${line}`));
  }

  private async dieSometime(): Promise<void> {
    const { server } = this.site;
    const timer = setTimeout(() => void server.end("SIGKILL"), this.site.between(20, MAX_LIFE_MS));
    await this.traffic(() => false);
    clearTimeout(timer);
    await server.end("SIGKILL");
    this.kills += 1;
  }

  private async dieAt(failpoint: Failpoint): Promise<void> {
    const { server } = this.site;
    const way = wayTo(failpoint);
    if (way === "start") return this.dieStarting(failpoint);
    const giveUpAt = Date.now() + PATIENCE_MS;
    this.note();
    await server.start({ OPENCOMPUTER_FAILPOINT: failpoint }).catch((error: unknown) => {
      // The start itself may come there.
      if (!server.wasKilled) throw error;
    });
    await this.traffic(() => Date.now() > giveUpAt, way === "first start" ? undefined : way);
    await this.noteDeath(failpoint);
  }

  private async dieStarting(failpoint: Failpoint): Promise<void> {
    const { server } = this.site;
    await server.start({ OPENCOMPUTER_FAILPOINT: failpoint }).catch((error: unknown) => {
      if (!server.wasKilled) throw error;
    });
    await this.noteDeath(failpoint);
  }

  private async noteDeath(failpoint: Failpoint): Promise<void> {
    const { server } = this.site;
    // One that has just come there is about to end.
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (server.wasKilled) this.reached.add(failpoint);
    this.run.say(`${this.runtime}: ${server.wasKilled ? "killed at" : "did not come to"} ${failpoint}`);
    await server.end("SIGKILL");
    this.kills += 1;
  }

  private async traffic(isOver: () => boolean, preferred?: Parameters<typeof keepBusy>[2]): Promise<void> {
    const wrong = await keepBusy(this.site, isOver, preferred);
    this.damage.broken.push(...wrong.map((line) => `${this.runtime}: ${line}`));
  }

  private async reboot(): Promise<void> {
    this.note();
    await endMachine(this.site.server.home);
    this.site.ledger.reboot();
    this.reboots += 1;
  }

  private note(): void {
    for (const name of containersOf(this.site.server.home)) this.containers.add(name);
  }

  /** Where the experiment was broken off. */
  private async abandon(): Promise<void> {
    await this.site.server.end("SIGKILL");
    await endMachine(this.site.server.home);
  }
}
