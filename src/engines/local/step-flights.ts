import { OpenComputerError } from "../../errors";

/** Steps that run now, by the keys of their layers: builds of different images that share one run it once. */
export interface StepFlights {
  /**
   * Runs `work`, unless another build makes the layer of this key already: then waits until that is over, and where it
   * made none, which may be for a reason of its own, tries again. One of all who wait runs the step then.
   *
   * @returns `led` where this call ran the work, `followed` where another made the layer
   * @throws build_cancelled when the signal fires during a wait; what `work` throws
   */
  run(key: string, flight: StepFlight): Promise<"led" | "followed">;
}

export interface StepFlight {
  readonly work: () => Promise<void>;
  /** Whether the layer is there. */
  readonly isThere: () => Promise<boolean>;
  /** Called once, before the first wait. */
  readonly onWait: () => void;
  readonly signal: AbortSignal;
}

/** For all builds of an engine. */
export function createStepFlights(): StepFlights {
  const running = new Map<string, Promise<unknown>>();
  return {
    async run(key, { work, isThere, onWait, signal }) {
      let waited = false;
      for (let other = running.get(key); other !== undefined; other = running.get(key)) {
        if (!waited) onWait();
        waited = true;
        await endOrAbort(other, signal);
      }
      const mine = unlessThere(isThere, work);
      running.set(key, mine);
      return mine.finally(() => running.delete(key));
    },
  };
}

async function unlessThere(isThere: () => Promise<boolean>, work: () => Promise<void>): Promise<"led" | "followed"> {
  if (await isThere()) return "followed";
  await work();
  return "led";
}

async function endOrAbort(other: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const cancelled = () =>
    new OpenComputerError("build_cancelled", "the build was cancelled while another ran its step");
  if (signal.aborted) throw cancelled();
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(cancelled());
    signal.addEventListener("abort", stop, { once: true });
  });
  const end = other.catch(() => undefined);
  await Promise.race([end, aborted]).finally(() => signal.removeEventListener("abort", stop));
}
