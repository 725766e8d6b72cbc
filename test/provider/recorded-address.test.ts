import { expect, it } from "vitest";
import type { ProviderConfig } from "../../provider/config";
import { sandboxHandlers } from "../../provider/sandbox";
import { snapshotHandlers } from "../../provider/snapshot";
import { type ErrorCode, OpenComputerError } from "../../src/errors";
import { createTestContext } from "./handler-context";

const AWAY: Partial<ProviderConfig> = { endpoints: { away: { apiUrl: "http://127.0.0.1:9" } } };
const SET: Partial<ProviderConfig> = { endpoint: { apiUrl: "http://127.0.0.1:9" } };
const cases: [string, Partial<ProviderConfig>, string | undefined, ErrorCode, RegExp][] = [
  ["an address of the stack", SET, undefined, "unavailable", /^down\n.*run pulumi up first$/],
  ["the address of an endpoint", AWAY, "away", "unavailable", /^down\n.*run pulumi up first$/],
  ["the embedded server", {}, undefined, "unavailable", /^down$/],
  ["a key that is unknown", SET, undefined, "unauthorized", /^down$/],
];

it.each(cases)("a read and a delete tell of %s what helps", async (_name, config, endpoint, code, message) => {
  const { api, context } = createTestContext(undefined, config);
  api.failure = new OpenComputerError(code, "down");
  const outs = { name: "fixed", ...(endpoint ? { endpoint } : {}) };
  for (const handlers of [snapshotHandlers, sandboxHandlers]) {
    const told = { code, message: expect.stringMatching(message) };
    await expect(handlers.read(context, "id", outs)).rejects.toMatchObject(told);
    await expect(handlers.delete(context, "id", outs)).rejects.toMatchObject(told);
  }
});
