import { mkdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { OpenComputerError } from "../../errors";
import { failpoint } from "../../failpoint";
import type { NetworkPolicy } from "../engine";
import type { Agents } from "./agents";
import { cgroupsPath, removeCgroups } from "./cgroup";
import { restoredSpec } from "./checkpoints/restored-spec";
import type { DiskSpace } from "./disk-space";
import type { Stacks } from "./flatten";
import type { Hand } from "./hand";
import type { LocalHome } from "./home";
import type { HostFacts } from "./host-facts";
import type { LayerStore } from "./layer-store";
import { mountOverlay, type OverlayFlavour, unmount } from "./mounts";
import type { ContainerNetwork, NetworkPool } from "./network";
import { type BindMount, type ContainerLimits, ociSpec } from "./oci-spec";
import { endProcess, isAlive, processStart } from "./process-identity";
import { readRecordFile, writePassingRecord } from "./record-file";
import type { Runtime } from "./runtime";

/** What containers are made of; one for the whole engine. */
export interface ContainerDeps {
  readonly home: LocalHome;
  readonly hand: Hand;
  readonly runtime: Runtime;
  /** Those for build steps, or those for sandboxes. */
  readonly facts: HostFacts;
  readonly layers: LayerStore;
  readonly stacks: Stacks;
  readonly networks: NetworkPool;
  readonly agents: Agents;
  readonly limitSwap: boolean;
  readonly overlay: OverlayFlavour;
  readonly openFiles: number;
  readonly disk: DiskSpace;
}

export interface ContainerRequest {
  /** Directory with `fs`, the writable top; its name is the container's id. */
  readonly dir: string;
  /** Keys of the layers below, lowest first. */
  readonly layers: readonly string[];
  readonly hostname: string;
  readonly limits: ContainerLimits;
  readonly network: NetworkPolicy;
  /** Mounted beside what every container gets. Default: nothing. */
  readonly binds?: readonly BindMount[];
  /** See `ociSpec`. Default: false. */
  readonly ignoreSync?: boolean;
  /** Content of `/etc/machine-id`; absent: that of the image. */
  readonly machineId?: string;
  /** Directory of a memory image that the container goes on from; absent: it boots. */
  readonly memory?: string;
  /** Called just before the runtime starts it: from then on it may have run, whatever comes of it. */
  readonly onBoot?: () => void;
}

const recordSchema = z.object({
  slot: z.int(),
  claim: z.string(),
  /** What it stands on and what that is made of. */
  layers: z.array(z.string()),
  runtime: z.enum(["runsc", "runc", "crun"]),
  /** Absent until it runs. `start` tells a process from a later one of the same number. */
  process: z.object({ pid: z.int(), start: z.string() }).optional(),
});

/** What is written down about a container, in its directory: enough to end it after a crash. */
export type ContainerRecord = z.infer<typeof recordSchema>;

/**
 * Starts a container: network and root file system, bundle, runtime; its first process waits, commands come by exec.
 * Each stage is written down or found by name, so that {@link endContainer} undoes whatever was reached.
 */
export async function startContainer(
  deps: ContainerDeps,
  request: ContainerRequest,
  signal: AbortSignal,
): Promise<void> {
  const { dir } = request;
  const id = basename(dir);
  const network = await deps.networks.take(request.network, deps.facts.audience);
  let unpin = () => {};
  try {
    const { slot, claim } = network;
    const stack = await deps.stacks.toMount(request.layers);
    unpin = deps.layers.pin(stack);
    const layers = [...new Set([...request.layers, ...stack])];
    const record = { slot, claim, layers, runtime: deps.runtime.kind };
    await writePassingRecord(recordFile(dir), record);
    const [rootfs] = await Promise.all([mountRoot(deps, dir, stack), writeEtc(deps, request, network)]);
    const spec = ociSpec({
      kind: deps.runtime.kind,
      rootfs,
      hostname: request.hostname,
      init: deps.facts.init,
      binds: [...deps.facts.binds, ...etcBinds(request), ...(request.binds ?? [])],
      netns: network.netns,
      userns: network.userns,
      cgroupsPath: cgroupsPath(id),
      limits: request.limits,
      limitSwap: deps.limitSwap,
      openFiles: deps.openFiles,
      ignoreSync: request.ignoreSync ?? false,
    });
    await writeFile(join(dir, "config.json"), JSON.stringify(await configOf(request, spec)));
    signal.throwIfAborted();
    failpoint("container.wired");
    request.onBoot?.();
    const pid = await boot(deps, request);
    failpoint("container.booted");
    const start = await processStart(pid);
    if (start === null) throw new OpenComputerError("internal", `container ${id} ended as soon as it started`);
    await writePassingRecord(recordFile(dir), { ...record, process: { pid, start } });
    signal.throwIfAborted();
  } catch (error) {
    await endContainer(deps, dir);
    // Also where its record could not be written.
    await deps.networks.give(network);
    throw signal.aborted ? new OpenComputerError("aborted", "stopped while a container was starting") : error;
  } finally {
    network.release();
    unpin();
  }
}

/** A memory image has the configuration of the container that it was taken of. */
async function configOf(request: ContainerRequest, spec: object): Promise<object> {
  if (!request.memory) return spec;
  const saved = JSON.parse(await readFile(join(request.memory, "config.json"), "utf8"));
  const own = etcBinds(request).map(({ destination }) => destination);
  return restoredSpec(saved, spec, own);
}

async function boot({ runtime, agents }: ContainerDeps, { dir, memory }: ContainerRequest): Promise<number> {
  const id = basename(dir);
  const { pid, agent } = await (memory ? runtime.restore(id, dir, memory) : runtime.run(id, dir));
  agents.adopt(id, agent);
  return pid;
}

/**
 * Ends a container and gives back everything but its directory: processes, runtime state, control groups, mount,
 * network. May be called in any state and again.
 *
 * @throws internal where the root file system is still in use, so that nobody takes it for finished
 */
export async function endContainer(deps: ContainerDeps, dir: string): Promise<void> {
  const id = basename(dir);
  const record = await readContainer(dir);
  // A runtime that finds its container running waits a tenth of a second for its end.
  if (record?.process) await endProcess(record.process);
  deps.agents.drop(id);
  const forget = async () => {
    await deps.runtime.remove(id, record?.process !== undefined);
    await removeCgroups(id);
    const rootfs = join(deps.home.merged, id);
    await unmount(deps.hand, rootfs);
    await rmdir(rootfs).catch(() => undefined);
  };
  const giveBack = async () => record && deps.networks.give(record);
  for (const part of await Promise.allSettled([forget(), giveBack()])) {
    if (part.status === "rejected") throw part.reason;
  }
  failpoint("container.ended");
  await rm(recordFile(dir), { force: true });
}

/** What is written down about the container of a directory; null where nothing is, or nothing that can be read. */
export async function readContainer(dir: string): Promise<ContainerRecord | null> {
  return readRecordFile(recordFile(dir), recordSchema);
}

/** Whether the container of a directory runs. */
export async function isRunning(dir: string): Promise<boolean> {
  const record = await readContainer(dir);
  return record?.process !== undefined && (await isAlive(record.process));
}

const recordFile = (dir: string) => join(dir, "container.json");

async function mountRoot(deps: ContainerDeps, dir: string, stack: readonly string[]): Promise<string> {
  const { home, hand, layers, overlay: flavour } = deps;
  const rootfs = join(home.merged, basename(dir));
  const work = join(dir, "work");
  await Promise.all([mkdir(work), mkdir(rootfs, { mode: 0o711 })]);
  const lowers = stack.map((key) => layers.pathOf(key));
  await mountOverlay(hand, rootfs, home.layers, { lowers, upper: join(dir, "fs"), work, flavour });
  return rootfs;
}

/** What stands in `/etc` of a container and is this one's alone. */
function etcFiles({ hostname, machineId }: ContainerRequest, address: string, resolvConf: string) {
  return {
    hosts: `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${address}\t${hostname}\n`,
    hostname: `${hostname}\n`,
    "resolv.conf": resolvConf,
    ...(machineId === undefined ? {} : { "machine-id": `${machineId}\n` }),
  };
}

async function writeEtc(
  { facts }: ContainerDeps,
  request: ContainerRequest,
  { address, resolvConf }: ContainerNetwork,
): Promise<void> {
  const files = etcFiles(request, address, resolvConf ?? facts.resolvConf);
  for (const [name, content] of Object.entries(files))
    await writeFile(join(request.dir, name), content, { mode: 0o644 });
}

/** Read-only, because they lie outside of what a layer is and of what a sandbox may fill. */
function etcBinds(request: ContainerRequest): BindMount[] {
  const names = Object.keys(etcFiles(request, "", ""));
  return names.map((name) => ({ source: join(request.dir, name), destination: `/etc/${name}`, readonly: true }));
}
