import type { BuildEvent } from "../../engines/engine";
import type { OpenComputerError } from "../../errors";
import type { CheckpointRow } from "../store/store";
import { abortable } from "./abortable";
import type { BuildLog } from "./build-log";

/** One subscriber's hold on a build; whoever has one must {@link BuildTicket.leave}. */
export interface BuildTicket {
  /** The checkpoint, when it is there. Rejects with build_failed, build_cancelled and the like. */
  readonly done: Promise<CheckpointRow>;
  /** Every event from number `from`, then live; ends when the build does, however it ends. */
  events(from: number, signal: AbortSignal): AsyncGenerator<BuildEvent>;
  /** The id of the build, once it is known to be one; undefined where the image was there already. */
  buildId(): Promise<string | undefined>;
  /** Lets go; the last to leave cancels what still runs, for this reason. Default: nobody waits. Again is fine. */
  leave(reason?: OpenComputerError): void;
}

/** Where the events of a flight are, once that is known. */
export type LogSource =
  | { readonly kind: "cached"; readonly hash: string }
  | { readonly kind: "building"; readonly id: string; readonly log: BuildLog }
  | { readonly kind: "nothing" };

/** A build under way and those who wait for it. */
export interface Flight {
  subscribers: number;
  over: boolean;
  readonly controller: AbortController;
  readonly source: Promise<LogSource>;
  readonly open: (source: LogSource) => void;
  readonly done: Promise<CheckpointRow>;
  readonly land: (row: CheckpointRow) => void;
  readonly crash: (reason: unknown) => void;
}

/** A flight that nobody has boarded yet. */
export function createFlight(): Flight {
  let open: Flight["open"] = () => {};
  let land: Flight["land"] = () => {};
  let crash: Flight["crash"] = () => {};
  const source = new Promise<LogSource>((resolve) => {
    open = resolve;
  });
  const done = new Promise<CheckpointRow>((resolve, reject) => {
    land = resolve;
    crash = reject;
  });
  // Nobody may be listening when it fails: the last subscriber may be the one who cancelled it.
  done.catch(() => {});
  return { subscribers: 0, over: false, controller: new AbortController(), source, open, done, land, crash };
}

/** Boards a flight; `cancelFlight` is called when the last passenger leaves. */
export function subscribe(flight: Flight, cancelFlight: (reason?: OpenComputerError) => void): BuildTicket {
  let left = false;
  flight.subscribers += 1;
  return {
    done: flight.done,
    events: (from, signal) => readFlight(flight, from, signal),
    buildId: async () => {
      const source = await flight.source;
      return source.kind === "building" ? source.id : undefined;
    },
    leave: (reason) => {
      if (left) return;
      left = true;
      flight.subscribers -= 1;
      if (flight.subscribers === 0) cancelFlight(reason);
    },
  };
}

async function* readFlight(flight: Flight, from: number, signal: AbortSignal): AsyncGenerator<BuildEvent> {
  const source = await abortable(flight.source, signal);
  if (source.kind === "building") yield* source.log.read(from, signal);
  if (source.kind === "cached" && from === 0) {
    yield { step: 0, type: "cache_hit", message: `image ${source.hash.slice(0, 12)} is already built` };
  }
}
