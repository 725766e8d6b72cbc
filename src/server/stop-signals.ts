import type { RunningServer } from "./run-server";

/**
 * Closes the server at the first SIGTERM or SIGINT and resolves when it is closed. A second signal ends the process at
 * once: whoever asks twice does not want to wait.
 */
export async function closeOnStopSignal(server: RunningServer): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  await server.close();
}
