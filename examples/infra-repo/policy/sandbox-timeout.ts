import type { Rule } from "./rule";

/** A sandbox that nobody uses must end by itself. */
export const sandboxTimeout: Rule<{ maxSeconds?: number }> = {
  name: "sandbox-timeout",
  description: "Sandboxes have an idle timeout.",
  configSchema: { properties: { maxSeconds: { type: "integer", minimum: 1, default: 604_800 } } },
  check({ kind, timeout = 0 }, { maxSeconds = 604_800 }) {
    if (kind !== "Sandbox" || timeout === "unknown") return [];
    if (timeout === 0) return [`no timeout, so it never sleeps: set timeout to at most ${maxSeconds} seconds`];
    return timeout <= maxSeconds ? [] : [`timeout is ${timeout} seconds; at most ${maxSeconds} are allowed`];
  },
};
