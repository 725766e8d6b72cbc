import type { Context } from "hono";
import type { AppEnv } from "./auth";

/**
 * Whether the answer to a request reached the one who asked, once that is known: true where all of it was written, false
 * where the connection was closed before. Ask before anything can wait. In a process of its own, nothing gets lost.
 */
export function whenAnswered(c: Context<AppEnv>): Promise<boolean> {
  const answer = c.env?.outgoing;
  if (answer === undefined) return Promise.resolve(true);
  if (answer.destroyed) return Promise.resolve(answer.writableFinished);
  return new Promise((resolve) => answer.once("close", () => resolve(answer.writableFinished)));
}
