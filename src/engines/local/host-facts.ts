import { createHash } from "node:crypto";
import { access, chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  aptDestinations,
  environmentDestinations,
  type HostDestination,
  resolverDestinations,
} from "./host-destinations";
import type { Audience } from "./network-exits";
import type { BindMount } from "./oci-spec";

/**
 * What containers get to know of their host: resolver, certificates, proxies and package mirrors. It is mounted or
 * passed as environment, never written into a layer, because it belongs to this machine and not to the image.
 *
 * An address with user information (`https://user:password@mirror/`) is a secret of the host: build steps get it, because
 * they install from there, and sandboxes do not, because what runs in them is nobody's friend. They go without that
 * variable, and without the source list that holds it. Every `@` is taken for the end of user information.
 */
export interface HostFacts {
  /** Whose facts these are. */
  readonly audience: Audience;
  /** Environment that every command has, unless somebody sets it otherwise. */
  readonly env: Readonly<Record<string, string>>;
  /** Content of `/etc/resolv.conf`. */
  readonly resolvConf: string;
  readonly binds: readonly BindMount[];
  /** Resolvers, mirrors and proxies that the facts name. */
  readonly destinations: readonly HostDestination[];
  /** Command line of PID 1, as seen inside. */
  readonly init: readonly string[];
}

/** The facts by who gets to know them. */
export interface HostKnowledge {
  readonly forSteps: HostFacts;
  readonly forSandboxes: HostFacts;
}

export interface HostFactsInput {
  /** Directory that containers see read-only at {@link INSIDE}. */
  readonly shared: string;
  /** Directory of what is mounted into build steps only. */
  readonly stepFiles: string;
  readonly hostEnv: Readonly<Record<string, string | undefined>>;
  /** The program that is PID 1 of every container. */
  readonly agent: string;
  /** Root directory of the base layer. */
  readonly baseRoot: string;
}

/** Where the shared files are inside. */
export const INSIDE = "/.oc";
const AGENT = "opencomputer-agent";
/** Where the agent is inside. */
export const AGENT_INSIDE = `${INSIDE}/${AGENT}`;
/** An empty directory for all but build steps, which find there what package managers downloaded before. */
export const DOWNLOADS_INSIDE = `${INSIDE}/downloads`;
/** Always in the base layer, so that a source list of the host has a file to stand in for. */
export const APT_PLACEHOLDERS = ["etc/apt/sources.list", "etc/apt/sources.list.d/opencomputer.sources"] as const;

const PASSED_ON = [
  ..."HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy no_proxy all_proxy".split(" "),
  ..."PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST npm_config_registry GOPROXY".split(" "),
];
const CA_VARIABLES = [
  ..."SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS CURL_CA_BUNDLE GIT_SSL_CAINFO".split(" "),
];
const CA_BUNDLES = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/** For a host whose only resolver is its own loopback, which no container reaches. */
const PUBLIC_RESOLVERS = "nameserver 1.1.1.1\nnameserver 8.8.8.8\n";

/** Gathers the facts and fills the shared directory; called at each start of the engine. */
export async function gatherHostFacts(given: HostFactsInput): Promise<HostKnowledge> {
  const input = { ...given, shared: join(given.shared, await placeOf(given.agent)) };
  await mkdir(join(input.shared, basename(DOWNLOADS_INSIDE)), { recursive: true, mode: 0o755 });
  await mkdir(input.stepFiles, { recursive: true, mode: 0o700 });
  await replaceFile(input.agent, join(input.shared, AGENT), 0o755);
  const env = { ...passedOn(input.hostEnv), ...(await certificates(input)) };
  const resolvConf = await resolver();
  const forSteps: HostFacts = {
    audience: "steps",
    env,
    resolvConf,
    binds: [{ source: input.shared, destination: INSIDE, readonly: true }, ...(await aptSources(input))],
    destinations: [
      ...resolverDestinations(resolvConf),
      ...environmentDestinations(env),
      ...aptDestinations(await sourceList(input)),
    ],
    init: [AGENT_INSIDE, "init"],
  };
  return { forSteps, forSandboxes: await withoutSecrets(forSteps, input) };
}

/** One directory for each agent: what runs, or goes on from memory, keeps the one that it runs. */
async function placeOf(agent: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(agent))
    .digest("hex")
    .slice(0, 16);
}

/** Who does not know of a mirror has no business there. */
async function withoutSecrets(facts: HostFacts, input: HostFactsInput): Promise<HostFacts> {
  const env = Object.fromEntries(Object.entries(facts.env).filter(([, value]) => !holdsUserInfo(value)));
  const sources = await sourceList(input);
  const isSecret = holdsUserInfo(sources);
  const destinations = [
    ...resolverDestinations(facts.resolvConf),
    ...environmentDestinations(env),
    ...(isSecret ? [] : aptDestinations(sources)),
  ];
  const binds = facts.binds.filter(({ source }) => !(isSecret && source.startsWith(`${input.stepFiles}/`)));
  return { ...facts, audience: "sandboxes", env, binds, destinations };
}

/** The host's own, where it has one for containers. */
async function sourceList({ hostEnv }: HostFactsInput): Promise<string> {
  const path = hostEnv["OPENCOMPUTER_APT_SOURCES"];
  return path ? readFile(path, "utf8") : "";
}

/** Of a source list, comments do not count. */
function holdsUserInfo(text: string): boolean {
  return /^(?!\s*#).*@/m.test(text);
}

/** A `resolv.conf` without resolvers that only the host itself reaches. */
export function reachableResolvers(resolvConf: string): string {
  const lines = resolvConf.split("\n").filter((line) => !/^\s*nameserver\s+(127\.|::1)/.test(line));
  return lines.some((line) => /^\s*nameserver\s/.test(line)) ? lines.join("\n") : PUBLIC_RESOLVERS;
}

function passedOn(hostEnv: HostFactsInput["hostEnv"]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of PASSED_ON) {
    // Half of the world's programs read the one case, half the other.
    const value = hostEnv[name] ?? hostEnv[name.endsWith("_proxy") ? name.toUpperCase() : name.toLowerCase()];
    if (value) env[name] = value;
  }
  return env;
}

/**
 * The host's certificate bundle, where it has one. Not mounted over the image's own: `update-ca-certificates` renames
 * a new file over that one, and nothing can be renamed over a mount point.
 */
async function certificates({ shared, hostEnv }: HostFactsInput): Promise<Record<string, string>> {
  for (const bundle of [hostEnv["SSL_CERT_FILE"] ?? "", ...CA_BUNDLES].filter(Boolean)) {
    if (!(await isThere(bundle))) continue;
    await replaceFile(bundle, join(shared, "ca.crt"), 0o644);
    return Object.fromEntries(CA_VARIABLES.map((name) => [name, `${INSIDE}/ca.crt`]));
  }
  return {};
}

async function resolver(): Promise<string> {
  const own = await readFile("/etc/resolv.conf", "utf8").catch(() => "");
  if (!/^\s*nameserver\s+127\.0\.0\.53/m.test(own)) return reachableResolvers(own);
  // systemd-resolved keeps the real ones here.
  return reachableResolvers(await readFile("/run/systemd/resolve/resolv.conf", "utf8").catch(() => ""));
}

/** The host's source list in place of one of the image's, an empty file in place of all others. */
async function aptSources({ shared, stepFiles, hostEnv, baseRoot }: HostFactsInput): Promise<BindMount[]> {
  // Everybody sees what is shared.
  await rm(join(shared, "apt-sources"), { force: true });
  const wanted = hostEnv["OPENCOMPUTER_APT_SOURCES"];
  if (!wanted) return [];
  const [list, deb822] = APT_PLACEHOLDERS;
  const place = wanted.endsWith(".sources") ? deb822 : list;
  await replaceFile(wanted, join(stepFiles, "apt-sources"), 0o644);
  await writeFile(join(stepFiles, "empty"), "");
  const others = await readdir(join(baseRoot, "etc/apt/sources.list.d")).catch(() => []);
  const all = new Set([...APT_PLACEHOLDERS, ...others.map((name) => `etc/apt/sources.list.d/${name}`)]);
  return [...all].map((path) => ({
    source: join(stepFiles, path === place ? "apt-sources" : "empty"),
    destination: `/${path}`,
    readonly: true,
  }));
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * By rename: containers that run keep the file they have. The same file stays where it is: gVisor saves nobody's memory
 * who has a file open that was replaced.
 */
async function replaceFile(source: string, target: string, mode: number): Promise<void> {
  const [wanted, there] = await Promise.all([readFile(source), readFile(target).catch(() => null)]);
  if (there?.equals(wanted)) return;
  await writeFile(`${target}.new`, wanted);
  await chmod(`${target}.new`, mode);
  await rename(`${target}.new`, target);
}
