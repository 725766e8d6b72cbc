import { OpenComputerError } from "../../errors";
import { type AddressBlock, toBlock } from "./address-block";

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
 * @param mayReach what is not closed to sandboxes by this server's operator; see `NetworkExits`
 * @example toAllowList(["*.pypi.org", "192.0.2.0/24"], () => true).allowsName("files.pypi.org") // true, and false for "pypi.org"
 * @throws invalid_input that names every destination that is neither a host, `*.host`, an address nor a block, and every
 * block that is closed
 */
export function toAllowList(destinations: readonly string[], mayReach: (block: AddressBlock) => boolean): AllowList {
  const wanted = destinations.map((destination) => destination.toLowerCase());
  const hosts = wanted.filter(isHost);
  const blocks = wanted.filter((destination) => toBlock(destination) !== null);
  assertNone(
    { those: wanted.filter((destination) => !blocks.includes(destination) && !isHost(destination)), why: EXPECTED },
    { those: blocks.filter((block) => !isOpen(block, mayReach)), why: CLOSED },
  );
  const exact = new Set(hosts);
  // "*.pypi.org" as the ending ".pypi.org".
  const endings = hosts.filter((host) => host.startsWith("*.")).map((host) => host.slice(1));
  return {
    blocks,
    allowsName(asked) {
      const name = asked.toLowerCase().replace(/\.$/, "");
      return isName(name) && (exact.has(name) || endings.some((ending) => name.endsWith(ending)));
    },
  };
}

const EXPECTED = "expected a host (pypi.org), *.host, an IPv4 address or a block of them (192.0.2.0/24)";
const CLOSED =
  "private addresses, those of the host and those of metadata services are closed to sandboxes; who runs the server opens some with OPENCOMPUTER_REACH";

interface Refused {
  readonly those: readonly string[];
  readonly why: string;
}

function assertNone(...refused: readonly Refused[]): void {
  const problems = refused
    .filter(({ those }) => those.length > 0)
    .map(({ those, why }) => {
      const named = those.map((one) => JSON.stringify(one)).join(", ");
      return `a sandbox cannot be allowed to reach ${named}; ${why}`;
    });
  if (problems.length > 0) throw new OpenComputerError("invalid_input", problems.join(". "));
}

function isOpen(destination: string, mayReach: (block: AddressBlock) => boolean): boolean {
  const block = toBlock(destination);
  return block !== null && mayReach(block);
}

function isHost(destination: string): boolean {
  // What looks like an address and is none is a slip.
  return !/^[\d./]+$/.test(destination) && isName(destination.replace(/^\*\./, ""));
}

/** Strict: what a sandbox asks for is handed on, and must mean the same to whoever reads it next. */
function isName(name: string): boolean {
  return name.length <= LONGEST_NAME && NAME.test(name);
}
