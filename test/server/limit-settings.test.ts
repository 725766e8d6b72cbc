import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readServerConfig } from "../../src/server/config";
import { DEFAULT_LIMITS, LIMITS } from "../../src/server/limits";

describe("the limits", () => {
  const read = (env: Record<string, string>) =>
    readServerConfig({}, { env: { OPENCOMPUTER_HOME: "/tmp/oc-none", ...env }, uid: 0, homeDir: "/" });

  it("are settings, each with a default", () => {
    expect(read({})).toMatchObject(DEFAULT_LIMITS);
    for (const [name, { variable }] of Object.entries(LIMITS)) {
      expect(read({ [variable]: "7" })).toMatchObject({ ...DEFAULT_LIMITS, [name]: 7 });
      expect(() => read({ [variable]: "0" })).toThrow(variable);
      expect(() => read({ [variable]: "many" })).toThrow(variable);
    }
  });

  it("let everybody wait who may ask: for a sandbox by an event stream", () => {
    expect(DEFAULT_LIMITS.maxStreams).toBeGreaterThanOrEqual(DEFAULT_LIMITS.maxRequests);
    expect(DEFAULT_LIMITS.maxConnections).toBeGreaterThan(DEFAULT_LIMITS.maxRequests);
  });

  it("are all in the guide", () => {
    const guide = readFileSync(join(__dirname, "..", "..", "docs", "limits.md"), "utf8");
    expect(Object.values(LIMITS).filter(({ variable }) => !guide.includes(`\`${variable}\``))).toEqual([]);
  });
});
