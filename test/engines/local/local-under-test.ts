import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createLocalEngine } from "../../../src/engines/local/local-engine";
import { cacheHome } from "../../../src/paths";
import { census } from "../../fixtures/census";
import type { Outside } from "../../fixtures/outside";
import type { RegistryFixture } from "../../fixtures/registry";
import type { EngineUnderTest } from "../suite/engine-under-test";

export type TestedRuntime = "runc" | "runsc";

/** The local engine in a home of its own, with the packages of the fixture. */
export class LocalUnderTest {
  readonly home: string;
  /** Its directory below /run. */
  readonly run: string;

  constructor(
    readonly runtime: TestedRuntime,
    readonly registry: () => RegistryFixture,
    readonly outside: () => Outside,
  ) {
    this.home = join(tmpdir(), `oc-engine-${process.pid}-${runtime}`);
    this.run = join("/run/opencomputer", createHash("sha256").update(this.home).digest("hex").slice(0, 12));
  }

  registryUrl(): string {
    return this.registry().url;
  }

  otherRuntime(): TestedRuntime {
    return this.runtime === "runc" ? "runsc" : "runc";
  }

  create(runtime: TestedRuntime = this.runtime, base = process.env["OPENCOMPUTER_BASE"]) {
    const cacheDir = cacheHome({ env: process.env, uid: 0, homeDir: homedir() });
    const packages = {
      OPENCOMPUTER_APT_SOURCES: this.registry().aptSourcesFile,
      PIP_INDEX_URL: this.registry().pipIndexUrl,
      PIP_TRUSTED_HOST: "10.213.0.1",
      GOPROXY: "http://me:hunter2@10.213.0.1/go",
    };
    const hostEnv = { ...process.env, ...packages };
    const { home } = this;
    const resolvers = [this.outside().resolver];
    return createLocalEngine({ home, cacheDir, runtime, hostEnv, resolvers, ...(base ? { base } : {}) });
  }

  /** What of the machine's census belongs to this home: others may be at work beside us. */
  holdings(): string[] {
    const slots = this.slots();
    const ours = (line: string) =>
      line.includes(this.run) ||
      line.includes(this.run.slice("/run/opencomputer/".length)) ||
      line.includes(this.home) ||
      line.includes(`sb-suite-${process.pid}-`) ||
      slots.some((slot) => line === `slot ${slot}` || line === `link oc${slot}` || line.startsWith(`rules ${slot}_`)) ||
      isOrphan(line);
    return [...census().filter(ours), ...this.stragglers()];
  }

  dispose(): void {
    rmSync(this.home, { recursive: true, force: true });
  }

  private slots(): string[] {
    const dir = "/run/opencomputer/net";
    const names = existsSync(dir) ? readdirSync(dir) : [];
    return names.filter((name) => readOrEmpty(join(dir, name, "owner")) === this.home);
  }

  /** Processes of the runtimes that name this home on their command line. */
  private stragglers(): string[] {
    return readdirSync("/proc")
      .filter((pid) => /^\d+$/.test(pid) && readOrEmpty(`/proc/${pid}/cmdline`).includes(this.run))
      .map((pid) => `process ${pid} ${readOrEmpty(`/proc/${pid}/cmdline`).replaceAll("\0", " ")}`);
  }
}

/** Rules of a sandbox whose slot is nobody's any more. */
function isOrphan(line: string): boolean {
  const slot = /^rules (\d+)_/.exec(line)?.[1];
  return slot !== undefined && !existsSync(join("/run/opencomputer/net", slot));
}

/** The suite's view of it. */
export function toEngineUnderTest(local: LocalUnderTest): EngineUnderTest {
  return {
    create: () => local.create(),
    holdings: () => local.holdings(),
    reachableUrl: () => `${local.registryUrl()}/apt/Packages`,
    registry: local.registry,
    outside: local.outside,
    // gVisor's kernel stands under the limits itself, and ends with all that it runs.
    limitsEnd: local.runtime === "runsc" ? "sandbox" : "process",
    keepsMemory: local.runtime === "runsc",
  };
}

export function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
