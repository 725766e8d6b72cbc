import { readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { OpenComputerError } from "../../errors";
import { failpoint } from "../../failpoint";
import type { DamagedLayer, Engine, EngineInfo, StartOptions } from "../engine";
import { createAgents } from "./agents";
import { type BaseLayer, ensureBaseLayer, mendBaseLayer } from "./base-layer";
import { type Binaries, findBinaries, type RuntimeBinary, searchDirs } from "./binaries";
import { buildImage, planBuild } from "./build";
import { createBuildCache } from "./build-cache";
import type { BuildDeps } from "./build-layer";
import { accountsSwap, removeCgroupRoot } from "./cgroup";
import { hasMemory } from "./checkpoints/memory-choice";
import { createMemoryStore } from "./checkpoints/memory-store";
import type { SandboxDeps } from "./checkpoints/sandbox-deps";
import { freezeStarted } from "./checkpoints/started-image";
import { type ContainerDeps, endContainer } from "./container";
import { DEFAULT_DISK_MB } from "./disk-quota";
import { createDiskSpace } from "./disk-space";
import { measureContainer } from "./disk-usage";
import { DiskWatch } from "./disk-watch";
import { createStacks, flattenedKeys } from "./flatten";
import { createHand, type Hand } from "./hand";
import { type LocalHome, localHome, makeHome } from "./home";
import { AGENT_INSIDE, gatherHostFacts, type HostFacts } from "./host-facts";
import { raiseHostLimits } from "./host-limits";
import { createLayerStore } from "./layer-store";
import { unmountBelow } from "./mounts";
import { createNetworkPool, type NetworkPool } from "./network";
import type { Destinations } from "./network-exits";
import type { RuntimeKind } from "./oci-spec";
import { probeOverlay } from "./overlay-probe";
import { removeTree } from "./remove-tree";
import { createRuntime } from "./runtime";
import { createSandboxFiles, type SandboxFiles } from "./sandbox-files";
import { createSandboxes, type Sandboxes } from "./sandboxes";
import { createStepFlights } from "./step-flights";

export interface LocalEngineOptions {
  /** Layers and sandboxes live here; on one file system that is not itself an overlay. */
  readonly home: string;
  /** Tools in `bin/`, bases in `base/`; may be deleted at any time. */
  readonly cacheDir: string;
  /** `auto` is runsc where it is there, else runc. */
  readonly runtime: RuntimeKind | "auto";
  /** The version of a runc that is taken although that version is open to known escapes. Default: none. */
  readonly acceptRunc?: string;
  /** `OPENCOMPUTER_BASE`. */
  readonly base?: string;
  /** Where PATH, proxies, mirrors and certificates are found. */
  readonly hostEnv: Readonly<Record<string, string | undefined>>;
  /** Name servers, `address` or `address:port`, for sandboxes that reach certain names only. Default: the host's. */
  readonly resolvers?: readonly string[];
  /** Private addresses and blocks that containers reach all the same; an address means itself. Default: none. */
  readonly reach?: readonly string[];
  /** What a build step may write, and a sandbox that has no quota of its own; in MiB. Default: 20480. */
  readonly diskMB?: number;
}

type EngineDeps = BuildDeps & SandboxDeps;

/** All that stands once the engine has started. */
interface Started {
  readonly deps: EngineDeps;
  readonly forSandboxes: HostFacts;
  readonly base: BaseLayer;
  /** Makes the base anew where it was damaged meanwhile. @throws damaged where that gives another one */
  readonly mendBase: () => Promise<void>;
  readonly binary: RuntimeBinary;
  readonly sandboxes: Sandboxes;
  readonly files: SandboxFiles;
  readonly diskWatch: DiskWatch;
}

/**
 * The engine on this machine: images are stacks of overlayfs layers, build steps and sandboxes are OCI containers in
 * user namespaces. Needs root, Linux and an OCI runtime; `start` says what is missing.
 */
export function createLocalEngine(options: LocalEngineOptions): Engine {
  let started: Started | undefined;
  const up = (): Started => {
    if (started) return started;
    throw new OpenComputerError("unavailable", "the local engine has not been started");
  };
  return {
    name: "local",
    async start(startOptions) {
      started ??= await startEngine(options, startOptions);
    },
    describe: () => describeEngine(up()),
    plan: async (manifest) => planBuild(up().deps, up().base.digest, manifest),
    async build(request) {
      const { deps, forSandboxes, base, mendBase } = up();
      await mendBase();
      const image = await buildImage(deps, base.digest, request);
      return freezeStarted({ ...deps, facts: forSandboxes }, request, image);
    },
    async hasCheckpoint(checkpoint) {
      const { layers } = checkpoint;
      const there = await Promise.all(layers.map((key) => up().deps.layers.has(key)));
      return there.length > 0 && there.every(Boolean) && (await hasMemory(up().deps, checkpoint));
    },
    assertStartable: async (checkpoint) => up().sandboxes.assertStartable(checkpoint),
    async createSandbox(spec, signal, onBooted) {
      await up().mendBase();
      await up().sandboxes.create(spec, signal, onBooted);
    },
    sandboxStatus: async (id) => up().sandboxes.status(id),
    stopReason: async (id) => up().sandboxes.stopReason(id),
    checkpoint: async (id, kind, signal) => up().sandboxes.checkpoint(id, kind, signal),
    restore: async (spec, signal, onBooted) => up().sandboxes.restore(spec, signal, onBooted),
    hibernate: async (id, signal) => up().sandboxes.hibernate(id, signal),
    wake: async (spec, signal, onBooted) => up().sandboxes.wake(spec, signal, onBooted),
    exec: async (id, spec) => up().sandboxes.exec(id, spec),
    readFile: async (id, path, signal) => up().files.read(id, path, signal),
    writeFile: async (id, path, content, signal) => up().files.write(id, path, content, signal),
    listFiles: async (id, path, signal) => up().files.list(id, path, signal),
    makeDir: async (id, path, signal) => up().files.makeDir(id, path, signal),
    removeFile: async (id, path, signal) => up().files.remove(id, path, signal),
    destroySandbox: async (id) => up().sandboxes.destroy(id),
    verify: async (signal) => up().deps.layers.verify(signal),
    async collect(live) {
      const { deps, base, sandboxes } = up();
      const { layers, memories } = await sandboxes.inUse();
      const wanted = live.flatMap((checkpoint) => [...checkpoint.layers, ...flattenedKeys(checkpoint.layers)]);
      const remembered = live.flatMap((checkpoint) => checkpoint.memory ?? []);
      const forgotten = await deps.memories.collect(new Set([...remembered, ...memories]));
      failpoint("collect.memories");
      const downloads = await deps.cache.clear();
      const collected = await deps.layers.collect(new Set([base.digest, ...wanted, ...layers]));
      return { layers: collected.layers, sizeBytes: collected.sizeBytes + downloads.sizeBytes + forgotten };
    },
    async stop() {
      const engine = started;
      started = undefined;
      if (!engine) return;
      engine.diskWatch.close();
      engine.deps.layers.close();
      engine.deps.agents.close();
      await engine.deps.stacks.close();
      await engine.sandboxes.close();
      await leaveHost(engine.deps);
    },
  };
}

async function startEngine(options: LocalEngineOptions, start: StartOptions): Promise<Started> {
  assertRoot();
  const home = localHome(options.home);
  const binaries = await findBinaries(options, searchDirs(options.hostEnv["PATH"], options.cacheDir));
  const hand = createHand(binaries.hand, home.handSocket);
  const networks = createNetworkPool(home.root, hand, options);
  await makeHome(home);
  await raiseHostLimits(start.onProgress);
  try {
    const { deps, forSandboxes, base, mendBase } = await prepare(options, start, { home, binaries, hand, networks });
    const sandboxes = createSandboxes({ ...deps, facts: forSandboxes });
    await reconcile(deps, sandboxes, new Set(start.knownSandboxes), {
      steps: deps.facts.destinations,
      sandboxes: forSandboxes.destinations,
    });
    const diskWatch = watchDisk(deps, sandboxes);
    const files = createSandboxFiles(sandboxes.exec);
    return { deps, forSandboxes, base, mendBase, binary: binaries.runtime, sandboxes, files, diskWatch };
  } catch (error) {
    await leaveHost({ home, hand, networks });
    throw error;
  }
}

interface Groundwork {
  readonly home: LocalHome;
  readonly binaries: Binaries;
  readonly hand: Hand;
  readonly networks: NetworkPool;
}

async function prepare(
  { cacheDir, hostEnv, base: source, diskMB = DEFAULT_DISK_MB }: LocalEngineOptions,
  { onProgress, signal }: StartOptions,
  { home, binaries, hand, networks }: Groundwork,
): Promise<Pick<Started, "deps" | "forSandboxes" | "base" | "mendBase">> {
  const overlay = await probeOverlay(hand, home);
  const onDamage = ({ key, problem }: DamagedLayer) =>
    onProgress(`layer ${key.slice(0, 12)} is not what it was (${problem}); it was moved to ${home.damaged}`);
  const layers = createLayerStore({ home, hand, onDamage });
  const wish = { home, layers, source, cacheDir, hostEnv, onProgress };
  const base = await ensureBaseLayer({ ...wish, signal });
  const baseRoot = join(home.layers, layers.pathOf(base.digest));
  const { shared, stepFiles } = home;
  const { agent } = binaries;
  const { forSteps, forSandboxes } = await gatherHostFacts({ shared, stepFiles, hostEnv, agent, baseRoot });
  const runtime = createRuntime(binaries.runtime, home.runtimes, hand);
  const deps: EngineDeps = {
    home,
    hand,
    runtime,
    facts: forSteps,
    layers,
    stacks: createStacks({ home, hand, layers, overlay }),
    flights: createStepFlights(),
    cache: createBuildCache(home.downloads),
    networks,
    memories: createMemoryStore(home, runtime.version),
    agents: createAgents((id) => runtime.connect(id, [AGENT_INSIDE, "serve"])),
    limitSwap: await accountsSwap(),
    overlay,
    openFiles: await openFilesLimit(),
    disk: createDiskSpace(home.root, diskMB),
  };
  return { deps, forSandboxes, base, mendBase: () => mendBaseLayer(wish, base) };
}

function watchDisk({ home, hand, disk }: EngineDeps, sandboxes: Sandboxes): DiskWatch {
  const watch = new DiskWatch({
    space: disk,
    users: async () => [...(await sandboxes.diskUsers()), ...disk.steps],
    measure: (dir) => measureContainer(hand, home, dir),
    now: () => performance.now(),
  });
  void watch.run();
  return watch;
}

/** Removes what a predecessor left that is in nobody's records; sandboxes that run and are known stay. */
async function reconcile(
  deps: ContainerDeps,
  sandboxes: Sandboxes,
  known: ReadonlySet<string>,
  destinations: Destinations,
): Promise<void> {
  const { home, runtime } = deps;
  await runtime.endAbandonedStarts();
  await sandboxes.reconcile(known);
  for (const name of await readdir(home.active)) {
    const dir = join(home.active, name);
    await endContainer(deps, dir);
    await removeTree(dir);
  }
  const adopted = new Set(await readdir(home.sandboxes));
  const strays = [...(await runtime.list()), ...(await readdir(home.merged))].filter((id) => !adopted.has(id));
  for (const id of strays) await endContainer(deps, join(home.active, id));
  await deps.networks.reclaim((await sandboxes.inUse()).slots, destinations);
}

/** Gives back what the engine itself holds of the machine; what sandboxes stand on stays while there are any. */
async function leaveHost({ home, hand, networks }: Pick<ContainerDeps, "home" | "hand" | "networks">): Promise<void> {
  await networks.close();
  if ((await readdir(home.sandboxes)).length === 0) await leaveRun(home, hand);
  hand.close();
}

async function leaveRun(home: LocalHome, hand: Hand): Promise<void> {
  const run = dirname(home.merged);
  // runsc pins an empty network namespace in its state.
  await unmountBelow(hand, run);
  await removeCgroupRoot();
  await rm(run, { recursive: true, force: true });
}

function describeEngine({ base, binary }: Started): EngineInfo {
  return {
    engine: "local",
    runtime: binary.kind,
    runtimeVersion: binary.version,
    base: base.description,
    baseDigest: base.digest,
    checkpointKinds: binary.kind === "runsc" ? ["disk_only", "full"] : ["disk_only"],
    diskQuota: "watched",
  };
}

function assertRoot(): void {
  if (process.getuid?.() === 0 && process.platform === "linux") return;
  const who = process.platform === "linux" ? `user ${process.getuid?.()}` : process.platform;
  const advice = "start it with sudo, or set OPENCOMPUTER_API_URL to a server that runs elsewhere";
  throw new OpenComputerError("requirement_missing", `the local engine needs root on Linux, not ${who}: ${advice}`);
}

/** As many as a database or a bundler wants, where the host's own limit allows it. */
async function openFilesLimit(): Promise<number> {
  const limits = await readFile("/proc/self/limits", "utf8");
  const hard = Number(/^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1] ?? 1024);
  return Math.min(hard, 65_536);
}
