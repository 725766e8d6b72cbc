/**
 * What the host's own settings send containers to: resolvers, package mirrors and proxies. Where these have private
 * addresses, containers reach them all the same, at that port and at no other.
 */
export interface HostDestination {
  /** A name or an IPv4 address. */
  readonly host: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
}

const DNS_PORT = 53;
const PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443, "ftp:": 21, "socks5:": 1080 };
const MIRRORS = ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "npm_config_registry", "GOPROXY"];
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/** The resolvers of a `resolv.conf`. */
export function resolverDestinations(resolvConf: string): HostDestination[] {
  const hosts = [...resolvConf.matchAll(/^\s*nameserver\s+([\d.]+)/gm)].map((match) => match[1] ?? "");
  return hosts.flatMap((host) => [
    { host, port: DNS_PORT, protocol: "udp" as const },
    { host, port: DNS_PORT, protocol: "tcp" as const },
  ]);
}

/** The mirrors and proxies of an environment. */
export function environmentDestinations(env: Readonly<Record<string, string>>): HostDestination[] {
  const urls = MIRRORS.flatMap((name) => env[name]?.split(/[\s,|]+/) ?? []);
  // Programs take a proxy without a scheme, too.
  const proxies = PROXIES.flatMap((name) => env[name] ?? []).map((url) =>
    url.includes("://") ? url : `http://${url}`,
  );
  return [...urls, ...proxies].flatMap(toDestination);
}

/** The archives of a source list of apt, in either form. */
export function aptDestinations(sources: string): HostDestination[] {
  const lines = sources.split("\n").filter((line) => !/^\s*#/.test(line));
  return lines.flatMap((line) => line.match(/(?<![a-z])(https?|ftp):\/\/\S+/g) ?? []).flatMap(toDestination);
}

/** Nothing for what is no address, `direct` or `off`, say. */
function toDestination(text: string): HostDestination[] {
  // A password may hold what ends a host elsewhere.
  const bare = text.replace(/^([a-z0-9]+:\/\/).*@/i, "$1");
  if (!URL.canParse(bare)) return [];
  const { hostname, port, protocol } = new URL(bare);
  const number = Number(port) || PORTS[protocol];
  return hostname && number ? [{ host: hostname, port: number, protocol: "tcp" }] : [];
}
