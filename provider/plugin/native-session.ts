import { OpenComputerError } from "../../src/errors";
import type { BlobSource } from "../../src/image/local-files";
import { EMPTY_CONFIG, type ProviderConfig, readConfig } from "../config";
import { connectTo } from "../connections";
import type { HandlerContext, PlanContext, Properties } from "../context";
import { createEngineLog } from "../engine-log";

/** What a call is about. */
export interface Subject {
  readonly urn: string;
  /** The program's `customTimeouts` for this operation, in seconds; 0 is none. */
  readonly timeoutSeconds: number;
}

type FindBlob = (digest: string) => BlobSource | undefined;

/** What lives as long as the plugin's process: the engine it talks to, the configuration, and whether all is cancelled. */
export class NativeSession {
  private config: ProviderConfig = EMPTY_CONFIG;
  private readonly cancellation = new AbortController();
  /** Where the bytes are that checks found: the engine checks what it creates, in this same process. */
  private readonly sources: FindBlob[] = [];

  /** @param engineAddress where log lines go; empty where there is no engine yet */
  constructor(private engineAddress: string) {}

  attach(engineAddress: string): void {
    this.engineAddress = engineAddress;
  }

  /** @throws invalid_input listing all that is wrong with it */
  configure(values: Properties): void {
    this.config = readConfig((key) => values[key]);
  }

  /** Ends everything that runs; what is asked for later does not begin. */
  cancel(): void {
    this.cancellation.abort();
  }

  remember(findBlob: FindBlob): void {
    this.sources.push(findBlob);
  }

  plan(urn: string): PlanContext {
    return { urn, log: createEngineLog(urn, [this.engineAddress]), config: this.config };
  }

  /**
   * Does something with a server, for as long as the engine waits for it.
   *
   * @param endpoint the configured server's name; undefined is the default one
   * @throws timeout where the program's limit ran out; what the action throws
   */
  async run<T>(
    { urn, timeoutSeconds }: Subject,
    endpoint: unknown,
    action: (context: HandlerContext) => Promise<T>,
  ): Promise<T> {
    const limit = timeoutSeconds > 0 ? AbortSignal.timeout(timeoutSeconds * 1_000) : new AbortController().signal;
    const signal = AbortSignal.any([this.cancellation.signal, limit]);
    const plan = this.plan(urn);
    try {
      const name = typeof endpoint === "string" ? endpoint : undefined;
      const api = await connectTo(plan.config, name, { ...plan.log, signal });
      return await action({ ...plan, api, findBlob: (digest) => this.findBlob(digest), signal });
    } catch (error) {
      if (!limit.aborted) throw error;
      const message = `was not done after ${timeoutSeconds} s, the limit that the program's customTimeouts set`;
      throw new OpenComputerError("timeout", message, { retryable: false, cause: error });
    }
  }

  private findBlob(digest: string): BlobSource | undefined {
    for (const find of this.sources) {
      const source = find(digest);
      if (source !== undefined) return source;
    }
    return undefined;
  }
}
