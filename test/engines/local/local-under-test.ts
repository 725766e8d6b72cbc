import { readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createLocalEngine } from "../../../src/engines/local/local-engine";
import { cacheHome } from "../../../src/paths";
import { homeCensus, runDirOf } from "../../fixtures/home-census";
import type { Outside } from "../../fixtures/outside";
import type { RegistryFixture } from "../../fixtures/registry";
import type { EngineOptions, EngineUnderTest } from "../suite/engine-under-test";

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
    this.run = runDirOf(this.home);
  }

  registryUrl(): string {
    return this.registry().url;
  }

  otherRuntime(): TestedRuntime {
    return this.runtime === "runc" ? "runsc" : "runc";
  }

  create(runtime: TestedRuntime = this.runtime, base = process.env["OPENCOMPUTER_BASE"], options: EngineOptions = {}) {
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
    return createLocalEngine({ home, cacheDir, runtime, hostEnv, resolvers, ...(base ? { base } : {}), ...options });
  }

  /** What of the machine's census belongs to this home: others may be at work beside us. */
  holdings(): string[] {
    return homeCensus(this.home, (name) => name.startsWith(`sb-suite-${process.pid}-`));
  }

  dispose(): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** The suite's view of it. */
export function toEngineUnderTest(local: LocalUnderTest): EngineUnderTest {
  return {
    create: (options) => local.create(undefined, undefined, options),
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
