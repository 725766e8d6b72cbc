import { readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { localHome } from "../src/engines/local/home";
import { Image } from "../src/image/image";
import type { BenchServer } from "./bench-server";

/** More than a round takes, so that what is claimed has been ready for a while. */
const SIZE = 5;
const FILL_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
/** The last of them is mounted a moment before it is started. */
const SETTLE_MS = 500;

/** A snapshot whose sandboxes are kept started ahead, on a server that runs no others while nothing is measured. */
export class WarmPool {
  private isMade = false;

  constructor(
    private readonly server: BenchServer,
    private readonly snapshot: string,
  ) {}

  /** Waits until the pool is full, so that its filling disturbs nobody. @throws where it does not get full */
  async fill(signal: AbortSignal): Promise<void> {
    if (!this.isMade) await this.make();
    const { merged } = localHome(this.server.home);
    let there = 0;
    for (const deadline = Date.now() + FILL_TIMEOUT_MS; Date.now() < deadline; await sleep(POLL_MS)) {
      signal.throwIfAborted();
      there = (await readdir(merged)).length;
      if (there < SIZE) continue;
      await sleep(SETTLE_MS);
      return;
    }
    throw new Error(`the warm pool has ${there} of ${SIZE} sandboxes after ${FILL_TIMEOUT_MS / 1000} s`);
  }

  private async make(): Promise<void> {
    await this.server.api.createSnapshot({ name: this.snapshot, image: Image.base().resolve(), warmPool: SIZE });
    this.isMade = true;
  }
}
