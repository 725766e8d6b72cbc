import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RegistryFixture } from "../test/fixtures/registry";
import type { BenchRun } from "./bench-run";
import { ask, command } from "./command";
import { NotHere } from "./comparison";
import { startDaemon } from "./daemon";
import { unmountBelow } from "./mount-points";
import { type OciImage, writeOciLayout } from "./oci-layout";
import { type Recipe, toDockerfile } from "./recipe";

/** BuildKit with runc, and our base as an image of this machine that it has unpacked already. */
export interface Buildkit {
  readonly version: string;
  /** `buildctl build`: into its cache and no further. */
  build(recipe: Recipe): Promise<void>;
}

const BUILD_TIMEOUT_MS = 900_000;

/**
 * Starts a daemon in a folder of the run, with the network of the host: less work than a network of their own is for our
 * steps.
 *
 * @param baseArchive is moved
 * @throws NotHere where BuildKit is not on this machine
 */
export async function startBuildkit(run: BenchRun, baseArchive: string, registry: RegistryFixture): Promise<Buildkit> {
  const version = await ask("buildkitd", ["--version"]);
  if (version === undefined) throw new NotHere("the program buildkitd is not on this machine");
  const dir = join(run.dir, "buildkit");
  const address = `unix://${join(dir, "socket")}`;
  const client = (args: readonly string[]) => ["--addr", address, ...args];
  run.defer(() => unmountBelow(dir));
  const worker = ["--oci-worker=true", "--containerd-worker=false", "--oci-worker-net=host"];
  await startDaemon(run, "buildkitd", {
    args: [...client(["--root", join(dir, "root")]), ...worker],
    isReady: async () => (await ask("buildctl", client(["debug", "workers"]))) !== undefined,
  });
  const base = await layOutBase(run, dir, baseArchive, registry);
  let builds = 0;
  const build = async (recipe: Recipe) => {
    const context = join(dir, `context-${builds++}`);
    const { text, files } = toDockerfile(recipe);
    await mkdir(context, { recursive: true });
    await writeFile(join(context, "Dockerfile"), text);
    for (const [name, content] of files) await writeFile(join(context, name), content);
    const options = { signal: run.signal, timeoutMs: BUILD_TIMEOUT_MS };
    await command("buildctl", client(["build", "--progress", "plain", ...buildArguments(context, base)]), options);
    await rm(context, { recursive: true });
  };
  run.say("unpacking the base in BuildKit");
  await build([{ kind: "run", command: "true" }]);
  return { version: version.replace(/^buildkitd \S+ /, ""), build };
}

function buildArguments(context: string, base: OciImage): string[] {
  const named = `context:base=oci-layout://base@${base.digest}`;
  return [
    ...["--frontend", "dockerfile.v0", "--local", `context=${context}`, "--local", `dockerfile=${context}`],
    ...["--oci-layout", `base=${base.dir}`, "--opt", named],
  ];
}

/** A layer on top says where packages come from, as our server's environment does for us. */
async function layOutBase(
  run: BenchRun,
  dir: string,
  baseArchive: string,
  { url, pipIndexUrl }: RegistryFixture,
): Promise<OciImage> {
  const local = (address: string) => address.replace(new URL(address).hostname, "127.0.0.1");
  const tree = join(dir, "sources");
  await mkdir(join(tree, "etc/apt/sources.list.d"), { recursive: true });
  await writeFile(join(tree, "etc/apt/sources.list"), `deb [trusted=yes] ${local(url)}/apt ./\n`);
  // Makes the folder below it opaque: no other source is asked.
  await writeFile(join(tree, "etc/apt/sources.list.d/.wh..wh..opq"), "");
  const archive = join(dir, "sources.tar");
  const owner = ["--owner", "0", "--group", "0", "--mode", "u=rwX,go=rX"];
  await command("tar", [...owner, "-C", tree, "-cf", archive, "etc"], { signal: run.signal });
  const env = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ...[`PIP_INDEX_URL=${local(pipIndexUrl)}`, "PIP_TRUSTED_HOST=127.0.0.1", "PIP_DISABLE_PIP_VERSION_CHECK=1"],
    ...["PIP_ROOT_USER_ACTION=ignore", "DEBIAN_FRONTEND=noninteractive"],
  ];
  return await writeOciLayout(join(dir, "base"), [baseArchive, archive], env);
}
