import { chmod, chown, mkdir, open, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DEFAULT_PATH, UID_RANGE, UID_SHIFT } from "../src/engines/local/oci-spec";
import type { BenchRun } from "./bench-run";
import { type CommandOptions, command } from "./command";

/** The limits that a sandbox has where nobody says otherwise. */
const LIMITS = { memory: { limit: 4096 * 1024 ** 2 }, pids: { limit: 512 }, cpu: { quota: 100_000, period: 100_000 } };
/** What keeps gVisor on the same root file system as runc. */
const FLAGS = { runc: [], runsc: ["--platform=systrap", "--overlay2=none", "--network=sandbox"] } as const;

/**
 * The floor: an OCI runtime by hand. Its root file system is an overlay over the same base layer, mounted beforehand and
 * shared by all containers; user namespace and limits are those of a sandbox. Network and everything else is what
 * `runc spec` writes: a namespace with nothing in it.
 */
export class BareRuntime {
  private readonly known = new Set<string>();
  private runs = 0;

  private constructor(
    private readonly bench: BenchRun,
    private readonly makings: BundleMakings,
  ) {}

  /** Prepares a runtime over the base layer of a server's home, which must hold no other layer. */
  static async prepare(bench: BenchRun, kind: "runc" | "runsc", home: string): Promise<BareRuntime> {
    const dir = join(bench.dir, `bare-${kind}`);
    const rootfs = await mountBase(bench, dir, join(home, "layers"));
    bench.defer(() => freeNullNamespace(dir));
    return new BareRuntime(bench, { kind, dir, rootfs });
  }

  /** `runc run`: until the command has ended and the container is gone. What it prints goes where options say. */
  async run(args: readonly string[], options?: CommandOptions): Promise<void> {
    const id = `oc-bench-${process.pid}-run-${this.runs++}`;
    const bundle = await makeBundle(this.makings, id, args);
    await this.call(["run", "--bundle", bundle, id], { stdout: "ignore", ...options });
  }

  /** `runc run --detach`; the container is removed at the end of the run. */
  async start(id: string, args: readonly string[]): Promise<void> {
    await this.leave(["run"], id, args);
  }

  /** `runc exec`. */
  exec(id: string, args: readonly string[], options?: CommandOptions): Promise<string> {
    return this.call(["exec", id, ...args], options);
  }

  /** `runsc checkpoint`; the container runs on. */
  async checkpoint(id: string, imageDir: string): Promise<void> {
    await mkdir(imageDir, { recursive: true });
    await this.call(["checkpoint", "--leave-running", "--exclude-committed-zero-pages", "--image-path", imageDir, id]);
  }

  /** `runsc restore --detach` as a container of another id; `args` are those that the checkpointed one was started with. */
  async restore(id: string, imageDir: string, args: readonly string[]): Promise<void> {
    await this.leave(["restore", "--background", "--image-path", imageDir], id, args);
  }

  /** Ends a container that stays; one that is gone is fine. */
  async remove(id: string): Promise<void> {
    if (this.known.delete(id)) await command(this.makings.kind, [...this.flags(), "delete", "--force", id]);
  }

  /** What stays keeps the streams of the command that started it: a file, as nobody waits for the end of that. */
  private async leave(verb: readonly string[], id: string, args: readonly string[]): Promise<void> {
    this.known.add(id);
    this.bench.defer(() => this.remove(id));
    const bundle = await makeBundle(this.makings, id, args);
    const output = await open(join(bundle, "output.log"), "w");
    const options = { stdout: output.fd, stderr: output.fd };
    await this.call([...verb, "--detach", "--bundle", bundle, id], options).finally(() => output.close());
  }

  private call(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return command(this.makings.kind, [...this.flags(), ...args], { signal: this.bench.signal, ...options });
  }

  private flags(): string[] {
    const { kind, dir } = this.makings;
    return [...FLAGS[kind], "--root", join(dir, "state")];
  }
}

async function mountBase(run: BenchRun, dir: string, layers: string): Promise<string> {
  const [layer, ...others] = await readdir(layers);
  if (!layer || others.length > 0)
    throw new Error(`${layers} must hold the base layer alone; it has ${others.length + 1}`);
  const at = (name: string) => join(dir, name);
  for (const name of ["rootfs", "upper", "work"]) await mkdir(at(name), { recursive: true });
  await chmod(dir, 0o711);
  await chown(at("upper"), UID_SHIFT, UID_SHIFT);
  const options = `lowerdir=${join(layers, layer, "fs")},upperdir=${at("upper")},workdir=${at("work")}`;
  await command("mount", ["-t", "overlay", "overlay", "-o", options, at("rootfs")]);
  run.defer(() => command("umount", [at("rootfs")]));
  return at("rootfs");
}

interface BundleMakings {
  readonly kind: "runc" | "runsc";
  readonly dir: string;
  readonly rootfs: string;
}

async function makeBundle({ kind, dir, rootfs }: BundleMakings, id: string, args: readonly string[]): Promise<string> {
  const bundle = join(dir, "bundles", id);
  await mkdir(bundle, { recursive: true });
  const template = join(dir, "config.json");
  const text = await readFile(template, "utf8").catch(async () => {
    await command("runc", ["spec", "--bundle", dir]);
    return await readFile(template, "utf8");
  });
  const spec = toBareSpec(JSON.parse(text) as OciSpec, kind, { rootfs, args });
  await writeFile(join(bundle, "config.json"), JSON.stringify(spec));
  return bundle;
}

interface OciSpec {
  readonly process: { readonly terminal: boolean; readonly args: readonly string[]; readonly env: readonly string[] };
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly linux: {
    readonly namespaces: readonly { readonly type: string }[];
    readonly resources: object;
    readonly [key: string]: unknown;
  };
}

interface BareProcess {
  readonly rootfs: string;
  readonly args: readonly string[];
}

function toBareSpec(spec: OciSpec, kind: "runc" | "runsc", { rootfs, args }: BareProcess): OciSpec {
  const map = [{ containerID: 0, hostID: UID_SHIFT, size: UID_RANGE }];
  // gVisor takes two tasks of the host for each process inside, as in a sandbox of ours.
  const pids = { limit: kind === "runsc" ? 2 * LIMITS.pids.limit : LIMITS.pids.limit };
  return {
    ...spec,
    process: { ...spec.process, terminal: false, args, env: [`PATH=${DEFAULT_PATH}`] },
    root: { path: rootfs, readonly: false },
    linux: {
      ...spec.linux,
      namespaces: [...spec.linux.namespaces.filter(({ type }) => type !== "user"), { type: "user" }],
      uidMappings: map,
      gidMappings: map,
      resources: { ...spec.linux.resources, ...LIMITS, pids },
    },
  };
}

/** runsc leaves a bind mount in its state folder, without which the folder cannot be removed. */
async function freeNullNamespace(dir: string): Promise<void> {
  await command("umount", [join(dir, "state", "null-netns")]).catch(() => undefined);
}
