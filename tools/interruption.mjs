const controller = new AbortController();

/** Fires at the first SIGINT, SIGTERM or SIGHUP; long steps listen to it, stop their child and clean up. */
export const interrupted = controller.signal;

/** From here on a signal ends the current step instead of the process, so that `finally` blocks run. */
export function catchSignals() {
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    process.on(signal, () => controller.abort(new Interruption(signal)));
  }
}

/** The reason of a run that its user stopped. */
export class Interruption extends Error {
  /** @param {NodeJS.Signals} signal */
  constructor(signal) {
    super(`interrupted by ${signal}`);
    this.name = "Interruption";
    this.signal = signal;
  }
}
