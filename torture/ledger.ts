/**
 * What a server acknowledged, and what it was asked for and never answered. Of everything there is a list of states that
 * it may be in: one where the last change was acknowledged, more where the server died before it answered.
 */
export class Account<S> {
  private states: readonly S[];
  /** Whether somebody is about to change it; nobody else may then. */
  busy = false;

  constructor(...states: readonly S[]) {
    this.states = states;
  }

  get possible(): readonly S[] {
    return this.states;
  }

  /** The state; undefined where the server died before it said. */
  get certain(): S | undefined {
    return this.states.length === 1 ? this.states[0] : undefined;
  }

  /** A change to one of these was asked for. */
  ask(...after: readonly S[]): void {
    this.states = [...this.states, ...after];
  }

  /** It is this: the change was acknowledged, or somebody looked. */
  settle(state: S): void {
    this.states = [state];
  }

  /** Every state that it may be in becomes these. */
  map(change: (state: S) => readonly S[]): void {
    this.states = this.states.flatMap(change);
  }
}

/** Files by path, each by the SHA-256 of what is in it. */
export type Files = Readonly<Record<string, string>>;

/** The finished versions of a snapshot's name, by their content hashes; without any, it may be gone or failed. */
export interface NameState {
  readonly current: string | null;
  readonly hashes: readonly string[];
}

export interface SandboxState {
  readonly status: "running" | "hibernated" | "gone";
  readonly files: Files;
  /** It was promised to go back to these files, and nobody has seen that it did. */
  readonly isRestoring?: true;
}

export interface CheckpointState {
  readonly status: "ready" | "failed" | "gone";
}

export interface CheckpointAccount {
  readonly sandboxId: string;
  readonly kind: "disk_only" | "full";
  readonly files: Files;
  /** What only its memory holds. */
  readonly memory: Files;
  readonly account: Account<CheckpointState>;
}

/** Sandboxes that were asked for: until the answer, nobody knows their ids. */
export interface Birth {
  readonly files: Files;
  /** How many there may be. */
  readonly most: number;
}

/** A checkpoint that was asked for: until the answer, nobody knows its id. */
export interface CheckpointWish {
  readonly sandboxId: string;
  readonly name: string;
  readonly kind: "disk_only" | "full";
  readonly files: Files;
  readonly memory: Files;
}

/** All that one server was asked for. */
export class Ledger {
  readonly names = new Map<string, Account<NameState>>();
  readonly sandboxes = new Map<string, Account<SandboxState>>();
  readonly checkpoints = new Map<string, CheckpointAccount>();
  /** What stands in an image, by its content hash. */
  readonly contents = new Map<string, Files>();
  /** By the tag that each carries. */
  readonly births = new Map<string, Birth>();
  readonly checkpointWishes = new Set<CheckpointWish>();
  /** How many changes were acknowledged. */
  acknowledged = 0;

  /** How many there are for certain. */
  get sandboxCount(): number {
    return [...this.sandboxes.values()].filter(({ certain }) => certain && certain.status !== "gone").length;
  }

  /** How many finished versions there are for certain. */
  get versionCount(): number {
    return [...this.names.values()].reduce((sum, { certain }) => sum + (certain?.hashes.length ?? 0), 0);
  }

  /** Sandboxes that somebody may use now. */
  freeSandboxes(status: "running" | "hibernated"): string[] {
    return free(this.sandboxes, (state) => state.status === status);
  }

  /** Names with a finished version that somebody may use now. */
  freeNames(): string[] {
    return free(this.names, (state) => state.hashes.length > 0);
  }

  freeCheckpoints(): string[] {
    return [...this.checkpoints].flatMap(([id, { account }]) =>
      !account.busy && account.certain?.status === "ready" ? [id] : [],
    );
  }

  /** Forgets what is gone for certain, and that anybody is at work. */
  rest(): void {
    for (const account of [...this.names.values(), ...this.sandboxes.values()]) account.busy = false;
    for (const [id, { account }] of this.checkpoints) {
      account.busy = false;
      if (account.certain?.status === "gone") this.checkpoints.delete(id);
    }
    for (const [id, account] of this.sandboxes) if (account.certain?.status === "gone") this.sandboxes.delete(id);
    this.births.clear();
    this.checkpointWishes.clear();
  }

  /** The machine was started anew: nothing runs that ran. */
  reboot(): void {
    const gone = { status: "gone", files: {} } as const;
    for (const account of this.sandboxes.values()) {
      account.map((state) => {
        if (state.status !== "running") return [state];
        return state.isRestoring ? [state, gone] : [gone];
      });
    }
  }
}

function free<S>(accounts: ReadonlyMap<string, Account<S>>, isMeant: (state: S) => boolean): string[] {
  return [...accounts].flatMap(([id, account]) =>
    !account.busy && account.certain !== undefined && isMeant(account.certain) ? [id] : [],
  );
}
