import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { homedir, networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Checkpoint, Engine, NetworkPolicy } from "../src/engines/engine";
import { runCommand } from "../src/engines/local/command";
import { readContainer } from "../src/engines/local/container";
import { createLocalEngine } from "../src/engines/local/local-engine";
import { groupOf, groupsWithExits } from "../src/engines/local/network-exits";
import { slotAddresses } from "../src/engines/local/network-slots";
import { cacheHome } from "../src/paths";
import { homeCensus } from "../test/fixtures/home-census";
import { PROBE, type Probed } from "../test/fixtures/network-probe";
import type { Outside } from "../test/fixtures/outside";
import { FORGE, type Forgery } from "./reach-programs";
import type { TortureRun } from "./torture-run";

/** A sandbox and where it is on the machine. */
export interface Placed {
  readonly id: string;
  readonly inside: string;
  /** The host's end of its link. */
  readonly gateway: string;
  readonly link: string;
  /** A process in its network namespace. */
  readonly pid: number;
}

/** An engine with sandboxes in it, a mirror of the host's, and a service of the host's that hears whoever reaches it. */
export class ReachSite {
  /** What came to the service of the host. */
  readonly heard: string[] = [];
  private count = 0;

  private constructor(
    readonly home: string,
    private readonly engine: Engine,
    private readonly empty: Checkpoint,
    /** UDP port of the service. */
    readonly port: number,
    /** URL of the mirror, which sandboxes are told. */
    readonly mirror: string,
    private readonly signal: AbortSignal,
  ) {}

  static async open(run: TortureRun, runtime: "runc" | "runsc", outside: Outside): Promise<ReachSite> {
    const home = join(run.dir, runtime);
    const cacheDir = cacheHome({ env: process.env, uid: 0, homeDir: homedir() });
    const base = process.env["OPENCOMPUTER_BASE"];
    const mirror = await openMirror(run);
    const hostEnv = { ...process.env, PIP_INDEX_URL: mirror };
    const options = { home, cacheDir, runtime, hostEnv, resolvers: [outside.resolver], ...(base ? { base } : {}) };
    const engine = createLocalEngine(options);
    run.defer(() => engine.stop());
    await engine.start({ knownSandboxes: [], onProgress: (line) => run.say(line), signal: run.signal });
    const empty = await build(engine, [], run.signal);
    const service = await listen();
    run.defer(() => service.close());
    const site = new ReachSite(home, engine, empty, service.address().port, mirror, run.signal);
    service.on("message", (message) => site.heard.push(message.toString()));
    return site;
  }

  async sandbox(network: NetworkPolicy): Promise<Placed> {
    this.count += 1;
    const id = `sb-reach-${process.pid}-${this.count}`;
    const spec = { id, checkpoint: this.empty, memoryMB: 512, cpuCount: 1, network };
    await this.engine.createSandbox(spec, this.signal);
    const record = await readContainer(join(this.home, "sandboxes", id));
    if (!record?.process) throw new Error(`${id} does not run`);
    const { inside, host } = slotAddresses(record.slot);
    return { id, inside, gateway: host, link: `oc${record.slot}`, pid: record.process.pid };
  }

  async end(sandboxes: readonly Placed[]): Promise<void> {
    for (const { id } of sandboxes) await this.engine.destroySandbox(id);
  }

  /** @returns what is left on the machine of the engine and of all that it ran */
  async close(): Promise<string[]> {
    await this.engine.stop();
    const left = await groupsWithExits().catch((): number[] => []);
    const own = (["steps", "sandboxes"] as const).filter((audience) => left.includes(groupOf(this.home, audience)));
    return [...homeCensus(this.home), ...own.map((audience) => `exits of ${audience}`)];
  }

  /** Runs a program inside as root, and returns what it printed. */
  async python(id: string, program: string, args: readonly string[] = []): Promise<string> {
    return this.exec(id, ["python3", "-c", program, ...args]);
  }

  /** Starts a program inside that runs on. */
  async leave(id: string, program: string): Promise<void> {
    await this.exec(id, ["sh", "-c", `python3 -c '${program}' >/dev/null 2>&1 & sleep 0.5`]);
  }

  async probe(id: string, places: readonly string[]): Promise<Probed[]> {
    return JSON.parse(await this.python(id, PROBE, places)) as Probed[];
  }

  /** What a build step reaches, tried as the step runs. */
  async probeInStep(places: readonly string[]): Promise<Probed[]> {
    const program = Buffer.from(PROBE).toString("base64");
    const words = places.map((place) => `'${place}'`).join(" ");
    const script = `echo ${program} | base64 -d | python3 - ${words} | base64 -w 2000`;
    const log: string[] = [];
    await build(this.engine, [script], this.signal, log);
    return JSON.parse(Buffer.from(log.join(""), "base64").toString("utf8")) as Probed[];
  }

  /** Sends forged frames from within a sandbox's network namespace. @returns how many */
  async forge({ pid, link }: Placed, forgeries: readonly Forgery[]): Promise<number> {
    const there = (await readFile(`/sys/class/net/${link}/address`, "utf8")).trim();
    const argv = ["--net", "--target", String(pid), "python3", "-c", FORGE, there, JSON.stringify(forgeries)];
    return Number(await runCommand("nsenter", argv, { signal: this.signal }));
  }

  private async exec(id: string, argv: readonly [string, ...string[]]): Promise<string> {
    const spec = { argv, env: {}, cwd: "/", user: "root", timeoutMs: 240_000, signal: this.signal } as const;
    const execution = await this.engine.exec(id, spec);
    const [said, problem] = await Promise.all([textOf(execution.stdout), textOf(execution.stderr)]);
    const { exitCode } = await execution.result;
    if (exitCode !== 0) throw new Error(`a program in ${id} ended with ${exitCode}: ${problem.slice(-500)}`);
    return said;
  }
}

/** All addresses of the machine but its loopback, which is another one in each sandbox. */
export function hostAddresses(family: "IPv4" | "IPv6"): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const own = all.filter((one) => one.family === family && !/^(127\.|::1$|fe80)/.test(one.address));
  return [...new Set(own.map(({ address }) => address))];
}

async function openMirror(run: TortureRun): Promise<string> {
  const server = createServer((_, response) => response.end("mirror")).listen(0, "0.0.0.0");
  await once(server, "listening");
  run.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://10.213.0.1:${(server.address() as AddressInfo).port}/`;
}

async function listen(): Promise<Socket> {
  const socket = createSocket({ type: "udp6", ipv6Only: false });
  socket.bind(0, "::");
  await once(socket, "listening");
  return socket;
}

async function build(engine: Engine, commands: readonly string[], signal: AbortSignal, log: string[] = []) {
  const steps = commands.map((command) => ({ type: "run" as const, args: { commands: [command] } }));
  return engine.build({
    manifest: { base: "base", steps },
    scope: "reach",
    openBlob: () => Promise.reject(new Error("there are no files")),
    onLog: (event) => void (event.stream === "stdout" && log.push(event.message)),
    stepTimeoutMs: 240_000,
    signal,
  });
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
