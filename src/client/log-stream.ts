import type { z } from "zod";
import type { FollowOptions } from "../api/contract";
import { isOpenComputerError } from "../errors";
import { followBuild } from "./build-stream";
import type { Transport } from "./transport";

/**
 * Reads a log to its end and returns what came of its build. Where the connection breaks on the way it goes on after the
 * lines that have come, so that each line is handed out once; a connection that brings none is the last.
 *
 * @param pathFrom the log's path without its first so many lines
 * @throws what {@link followBuild} throws
 */
export async function followLog<T>(
  transport: Transport,
  schema: z.ZodType<T>,
  pathFrom: (from: number) => string,
  { from = 0, onBuildLog, signal }: FollowOptions = {},
): Promise<T> {
  let next = from;
  for (;;) {
    const before = next;
    const call = { method: "GET", path: pathFrom(next), signal } as const;
    try {
      return await followBuild(transport, schema, call, {
        ...(signal ? { signal } : {}),
        onBuildLog: (event) => {
          next += 1;
          onBuildLog?.(event);
        },
      });
    } catch (error) {
      if (next === before || !isOpenComputerError(error) || !error.retryable) throw error;
    }
  }
}
