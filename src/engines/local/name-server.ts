import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { promises as dns, type RecordWithTtl } from "node:dns";
import { once } from "node:events";
import { type DecodedPacket, decode, encode, RECURSION_AVAILABLE, RECURSION_DESIRED } from "dns-packet";
import { HOST_ADDRESS } from "./firewall-rules";

/** Who may ask, and what. */
export interface NameClient {
  readonly allowsName: (name: string) => boolean;
  /** Whether there is a way for it to an address. It is not told of others, whoever says that a name stands for them. */
  readonly mayReach: (address: string) => boolean;
  /** Lets the client reach addresses, before it is told them. */
  readonly admit: (addresses: readonly string[]) => Promise<void>;
}

/**
 * Tells sandboxes the addresses of names that they may reach, as the host's own resolvers know them. All other names do
 * not exist for them, and strangers get no answer. It tells IPv4 addresses and nothing else, because sandboxes have no
 * other, and because a record of free form is a way out.
 */
export interface NameServer {
  /** UDP port at the host's address; begins to listen with the first call. */
  port(): Promise<number>;
  /** Serves the client that asks from this address. */
  serve(address: string, client: NameClient): void;
  forget(address: string): void;
  close(): Promise<void>;
}

/** Whoever is told an address asks again by then. Must stay below the time for which it is within reach. */
const LONGEST_TTL_SECONDS = 300;
/** Questions of one client that wait for an answer from outside; the next are turned away. */
const MAX_PENDING = 32;
/** The second try waits twice as long; both are over before programs ask again, which they do after five seconds. */
const UPSTREAM = { timeout: 1_200, tries: 2 };
/** What every client of DNS can take. */
const MAX_ANSWER_BYTES = 512;
const HEADER_BYTES = 12;

const RCODE = { ok: 0, failed: 2, noSuchName: 3 } as const;

interface Served extends NameClient {
  pending: number;
}

interface Answer {
  readonly rcode: number;
  readonly records: readonly RecordWithTtl[];
}

/** @param resolvers `address` or `address:port` of the servers that are asked; default the host's, as they are then. */
export function createNameServer(resolvers?: readonly string[]): NameServer {
  const clients = new Map<string, Served>();
  const upstream = createUpstream(resolvers);
  let socket: Promise<Socket> | undefined;
  const onMessage = async (from: Socket, message: Buffer, { address, port }: RemoteInfo) => {
    const client = clients.get(address);
    const query = readQuery(message);
    if (!client || !query) return;
    const answer = await answerTo(client, query, upstream.lookUp);
    // It may have gone, and another sandbox may have its address.
    if (clients.get(address) === client) from.send(writeAnswer(query, answer), port, address, () => undefined);
  };
  return {
    async port() {
      socket ??= listen(onMessage).catch((error: unknown) => {
        socket = undefined;
        throw error;
      });
      return (await socket).address().port;
    },
    serve: (address, client) => void clients.set(address, { ...client, pending: 0 }),
    forget: (address) => void clients.delete(address),
    async close() {
      clients.clear();
      upstream.cancel();
      const open = await socket?.catch(() => undefined);
      socket = undefined;
      if (open) await new Promise<void>((resolve) => open.close(() => resolve()));
    },
  };
}

function createUpstream(resolvers?: readonly string[]) {
  const underway = new Set<dns.Resolver>();
  return {
    async lookUp(name: string): Promise<RecordWithTtl[]> {
      // A new one each time: the host's resolvers change, as it moves between networks.
      const resolver = new dns.Resolver(UPSTREAM);
      if (resolvers) resolver.setServers(resolvers);
      underway.add(resolver);
      return resolver.resolve4(name, { ttl: true }).finally(() => underway.delete(resolver));
    },
    cancel() {
      for (const resolver of underway) resolver.cancel();
    },
  };
}

async function listen(onMessage: (from: Socket, message: Buffer, info: RemoteInfo) => Promise<void>): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.on("message", (message, info) => {
    // Only our own mistakes get here: what comes from outside has an answer. It is as if the packet had been lost.
    onMessage(socket, message, info).catch(() => undefined);
  });
  socket.bind(0, HOST_ADDRESS);
  await once(socket, "listening", { signal: AbortSignal.timeout(5_000) });
  // Errors of sending, which concern nobody but one client.
  socket.on("error", () => undefined);
  return socket;
}

interface Query {
  readonly packet: DecodedPacket;
  readonly name: string;
  /** Whether it asks for IPv4 addresses. */
  readonly forAddress: boolean;
}

/** A question as stub resolvers ask it; null for all else. */
function readQuery(message: Buffer): Query | null {
  try {
    const packet = decode(message);
    const [question, ...more] = packet.questions ?? [];
    if (packet.type !== "query" || !question || more.length > 0) return null;
    return { packet, name: question.name, forAddress: question.type === "A" && question.class === "IN" };
  } catch {
    return null;
  }
}

async function answerTo(
  client: Served,
  { name, forAddress }: Query,
  lookUp: (name: string) => Promise<RecordWithTtl[]>,
): Promise<Answer> {
  if (!client.allowsName(name)) return { rcode: RCODE.noSuchName, records: [] };
  if (!forAddress) return { rcode: RCODE.ok, records: [] };
  if (client.pending >= MAX_PENDING) return { rcode: RCODE.failed, records: [] };
  client.pending += 1;
  try {
    const found = (await lookUp(name)).filter(({ address }) => client.mayReach(address));
    const records = found.slice(0, roomFor(name));
    if (records.length > 0) await client.admit(records.map(({ address }) => address));
    return { rcode: RCODE.ok, records };
  } catch (error) {
    return { rcode: toRcode(error), records: [] };
  } finally {
    client.pending -= 1;
  }
}

function toRcode(error: unknown): number {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENODATA") return RCODE.ok;
  return code === "ENOTFOUND" ? RCODE.noSuchName : RCODE.failed;
}

/** How many addresses fit; the others are as good. */
function roomFor(name: string): number {
  const [question, record] = [name.length + 6, name.length + 16];
  return Math.max(1, Math.floor((MAX_ANSWER_BYTES - HEADER_BYTES - question) / record));
}

function writeAnswer({ packet, name }: Query, { rcode, records }: Answer): Buffer {
  return encode({
    type: "response",
    id: packet.id ?? 0,
    flags: ((packet.flags ?? 0) & RECURSION_DESIRED) | RECURSION_AVAILABLE | rcode,
    questions: packet.questions ?? [],
    answers: records.map(({ address, ttl }) => ({
      type: "A",
      name,
      ttl: Math.min(ttl, LONGEST_TTL_SECONDS),
      data: address,
    })),
  });
}
