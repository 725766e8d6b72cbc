import { OpenComputerError } from "../../errors";
import { LIMITS, type Limits } from "../limits";
import type { OrgStore } from "../store/store";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** JSON that is being read at a time, in units of the largest body. */
const BODIES_AT_ONCE = 4;
/** How long a sum of stored bytes is believed; what is brought meanwhile is added to it. */
const STORED_BELIEVED_MS = 10_000;

/** What an organisation does at a moment, in the words of the message. */
const FLOWS = {
  requests: { limit: "maxRequests", what: "requests without an answer", advice: "wait until some are answered" },
  streams: { limit: "maxStreams", what: "readers of event streams", advice: "close some of them" },
  builds: { limit: "maxBuilds", what: "builds that run or wait", advice: "wait until some are over, or cancel some" },
  commands: { limit: "maxCommands", what: "commands that run", advice: "wait until some are over, or end some" },
  bodyBytes: {
    limit: "maxBodyMB",
    what: "bytes of JSON on their way",
    advice: "send fewer at a time, or upload files",
  },
  creates: { limit: "maxSandboxes", what: "sandboxes", advice: "delete some" },
} as const satisfies Readonly<Record<string, Words>>;

/** What an organisation has, in the words of the message. */
const STOCKS = {
  warm: { limit: "maxWarm", what: "sandboxes in warm pools", advice: "make some of the pools smaller" },
  snapshots: { limit: "maxSnapshots", what: "versions of snapshots", advice: "delete some, or give them a retention" },
  checkpoints: { limit: "maxCheckpoints", what: "checkpoints", advice: "delete some, or give them a retentionPolicy" },
} as const satisfies Readonly<Record<string, Words>>;

export type Flow = keyof typeof FLOWS;

interface Words {
  readonly limit: keyof Limits;
  readonly what: string;
  readonly advice: string;
}

/**
 * How much each organisation does and has, against the {@link Limits}. What flows is counted here and forgotten with the
 * process; what is kept is counted by its rows.
 */
export class Quotas {
  private readonly flows = new Map<string, number>();
  private readonly stored = new Map<string, { bytes: number; readonly countedAt: number }>();

  constructor(readonly limits: Limits) {}

  /** Counts something that begins, until the answer is called; again is fine. @throws quota_exceeded */
  enter(orgId: string, flow: Flow, amount = 1): () => void {
    const { limit, ...words } = FLOWS[flow];
    const most = flow === "bodyBytes" ? this.limits.maxBodyMB * MIB * BODIES_AT_ONCE : this.limits[limit];
    const value = this.flowing(orgId, flow) + amount;
    if (value > most) throw quotaExceeded({ limit, ...words, value, most }, flow !== "creates");
    this.add(orgId, flow, amount);
    let left = false;
    return () => {
      if (!left) this.add(orgId, flow, -amount);
      left = true;
    };
  }

  /** Makes room for one more sandbox until its row is there; call the answer then. @throws quota_exceeded */
  async admitSandbox(org: OrgStore): Promise<() => void> {
    const leave = this.enter(org.orgId, "creates");
    try {
      const most = this.limits.maxSandboxes;
      const value = (await org.count("sandboxes")) + this.flowing(org.orgId, "creates");
      if (value > most) throw quotaExceeded({ ...FLOWS.creates, value, most }, false);
      return leave;
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Whether there is room for so many more; less than there is is always fine. @throws quota_exceeded */
  async assertRoom(org: OrgStore, stock: keyof typeof STOCKS, more = 1): Promise<void> {
    if (more <= 0) return;
    const words = STOCKS[stock];
    const [value, most] = [(await org.count(stock)) + more, this.limits[words.limit]];
    if (value > most) throw quotaExceeded({ ...words, value, most }, false);
  }

  /** Takes note of bytes that are being brought; those that do not come are forgotten after a while. @throws quota_exceeded */
  async addStored(org: OrgStore, sizeBytes: number): Promise<void> {
    const most = this.limits.maxStoredGB * GIB;
    const known = await this.storedBytes(org);
    const value = known.bytes + sizeBytes;
    const words = { what: "bytes of uploaded files", advice: "delete snapshots that need them, and collect" } as const;
    if (value > most) throw quotaExceeded({ limit: "maxStoredGB", ...words, value, most }, false);
    known.bytes = value;
  }

  private async storedBytes(org: OrgStore) {
    const known = this.stored.get(org.orgId);
    if (known !== undefined && performance.now() - known.countedAt < STORED_BELIEVED_MS) return known;
    const counted = { bytes: await org.count("blobBytes"), countedAt: performance.now() };
    this.stored.set(org.orgId, counted);
    return counted;
  }

  private flowing(orgId: string, flow: Flow): number {
    return this.flows.get(`${flow}/${orgId}`) ?? 0;
  }

  private add(orgId: string, flow: Flow, amount: number): void {
    const left = this.flowing(orgId, flow) + amount;
    if (left > 0) this.flows.set(`${flow}/${orgId}`, left);
    else this.flows.delete(`${flow}/${orgId}`);
  }
}

function quotaExceeded({ limit, what, advice, value, most }: Words & Amounts, retryable: boolean): OpenComputerError {
  const setting = LIMITS[limit].variable;
  const message = `this organisation would have ${value} ${what}; at most ${most} are allowed (${setting}): ${advice}`;
  return new OpenComputerError("quota_exceeded", message, {
    details: { quota: setting, value, limit: most },
    retryable,
  });
}

interface Amounts {
  readonly value: number;
  readonly most: number;
}
