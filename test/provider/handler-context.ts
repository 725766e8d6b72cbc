import { EMPTY_CONFIG, type ProviderConfig } from "../../provider/config";
import type { HandlerContext } from "../../provider/context";
import { MemoryApi } from "./memory-api";

export const URN = "urn:pulumi:dev::project::pulumi-nodejs:dynamic/opencomputer:Snapshot::data-science";

/** A context over a server in memory, with everything that was logged. */
export function createTestContext(api = new MemoryApi(), config: Partial<ProviderConfig> = {}) {
  const lines: string[] = [];
  const to = (kind: string) => (line: string) => void lines.push(`${kind} ${line}`);
  const context: HandlerContext = {
    api: api as unknown as HandlerContext["api"],
    urn: URN,
    log: { status: to("status"), output: to("output"), info: to("info"), warn: to("warn") },
    config: { ...EMPTY_CONFIG, ...config },
    findBlob: () => undefined,
    signal: new AbortController().signal,
  };
  return { api, lines, context };
}
