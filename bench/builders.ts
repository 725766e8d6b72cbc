import { startRegistryFixture } from "../test/fixtures/registry";
import { BareRuntime } from "./bare-runtime";
import { packBase } from "./base-archive";
import type { BenchRun } from "./bench-run";
import { type BenchServer, startBenchServer } from "./bench-server";
import { BuildClock } from "./build-clock";
import { type Buildkit, startBuildkit } from "./buildkit";
import { type Recipe, toImage } from "./recipe";

/** Both builders, with the same base and the same packages from this machine. */
export interface Builders {
  /** An error where it cannot be had. */
  readonly buildkit: Buildkit | Error;
  /** A server of ours in a fresh home. */
  startServer(name: string): Promise<BenchServer>;
}

/** The name that our server's containers know this machine by. */
const PIP_HOST = "10.213.0.1";

/** Starts BuildKit, where it is there, and a registry that both builders install from. */
export async function prepareBuilders(run: BenchRun): Promise<Builders> {
  const registry = await startRegistryFixture();
  run.defer(() => registry.close());
  const env = {
    OPENCOMPUTER_APT_SOURCES: registry.aptSourcesFile,
    PIP_INDEX_URL: registry.pipIndexUrl,
    PIP_TRUSTED_HOST: PIP_HOST,
  };
  const startServer = (name: string) => startBenchServer(run, { runtime: "runc", name, env });
  const buildkit = await buildkitOf(run, registry, startServer);
  return { buildkit, startServer };
}

async function buildkitOf(
  run: BenchRun,
  registry: Awaited<ReturnType<typeof startRegistryFixture>>,
  startServer: Builders["startServer"],
): Promise<Builders["buildkit"]> {
  try {
    const server = await startServer("base");
    const archive = await packBase(run, await BareRuntime.prepare(run, "runc", server.home));
    await server.stop();
    return await startBuildkit(run, archive, registry);
  } catch (error) {
    run.signal.throwIfAborted();
    return error instanceof Error ? error : new Error(String(error));
  }
}

let builds = 0;

/** Builds a recipe with our server. */
export async function buildWith({ api }: BenchServer, recipe: Recipe, signal: AbortSignal): Promise<BuildClock> {
  const name = `bench-${builds++}`;
  const image = toImage(recipe).resolve();
  const clock = new BuildClock();
  await api.createSnapshot({ name, image }, { signal, onBuildLog: clock.onBuildLog });
  clock.end();
  return clock;
}
