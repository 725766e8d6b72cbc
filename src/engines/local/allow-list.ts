import { isIPv4 } from "node:net";
import { OpenComputerError } from "../../errors";

/** The destinations of a network policy, apart by kind. */
export interface AllowList {
  /** Addresses and blocks, as nftables reads them. */
  readonly blocks: readonly string[];
  /** Whether a name may be resolved; in any case, with or without the dot at its end. */
  allowsName(name: string): boolean;
}

const LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?";
const NAME = new RegExp(`^(${LABEL}\\.)*${LABEL}$`);
const LONGEST_NAME = 253;

/**
 * Reads destinations.
 *
 * @example toAllowList(["*.pypi.org", "192.0.2.0/24"]).allowsName("files.pypi.org") // true, and false for "pypi.org"
 * @throws invalid_input that names every destination that is neither a host, `*.host`, an address nor a block
 */
export function toAllowList(destinations: readonly string[]): AllowList {
  const wanted = destinations.map((destination) => destination.toLowerCase());
  const hosts = wanted.filter(isHost);
  const wrong = wanted.filter((destination) => !isBlock(destination) && !isHost(destination));
  if (wrong.length > 0) {
    const message = `a sandbox cannot be allowed to reach ${wrong.map((one) => JSON.stringify(one)).join(", ")}`;
    const expected = "expected a host (pypi.org), *.host, an IPv4 address or a block of them (192.0.2.0/24)";
    throw new OpenComputerError("invalid_input", `${message}; ${expected}`);
  }
  const exact = new Set(hosts);
  // "*.pypi.org" as the ending ".pypi.org".
  const endings = hosts.filter((host) => host.startsWith("*.")).map((host) => host.slice(1));
  return {
    blocks: wanted.filter(isBlock),
    allowsName(asked) {
      const name = asked.toLowerCase().replace(/\.$/, "");
      return isName(name) && (exact.has(name) || endings.some((ending) => name.endsWith(ending)));
    },
  };
}

function isBlock(destination: string): boolean {
  const [address = "", prefix = "32", ...rest] = destination.split("/");
  return isIPv4(address) && /^\d{1,2}$/.test(prefix) && Number(prefix) <= 32 && rest.length === 0;
}

function isHost(destination: string): boolean {
  // What looks like an address and is none is a slip.
  return !/^[\d./]+$/.test(destination) && isName(destination.replace(/^\*\./, ""));
}

/** Strict: what a sandbox asks for is handed on, and must mean the same to whoever reads it next. */
function isName(name: string): boolean {
  return name.length <= LONGEST_NAME && NAME.test(name);
}
