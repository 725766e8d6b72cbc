import { describe, expect, it } from "vitest";
import { EMPTY_CONFIG, endpointOf, readConfig } from "../../provider/config";

const read = (values: Record<string, unknown>) => readConfig((key) => values[key]);

describe("the stack's configuration", () => {
  it("may be empty", () => {
    expect(read({})).toEqual(EMPTY_CONFIG);
    expect(read({ apiUrl: "", endpoints: "" })).toEqual(EMPTY_CONFIG);
  });

  it("takes objects as such and as Pulumi's JSON text", () => {
    const endpoints = { eu: { apiUrl: "https://eu.example.com", apiKey: "k" } };
    const config = { apiUrl: "http://127.0.0.1:1", apiKey: "osb_1", engine: "local", logLevel: "quiet" };
    const expected = {
      endpoint: { apiUrl: config.apiUrl, apiKey: config.apiKey },
      ...{ endpoints, engine: "local", logLevel: "quiet", defaultLabels: { team: "data" }, defaultTags: {} },
    };
    expect(read({ ...config, endpoints, defaultLabels: { team: "data" } })).toEqual(expected);
    const texts = { endpoints: JSON.stringify(endpoints), defaultLabels: '{ "team": "data" }' };
    expect(read({ ...config, ...texts })).toEqual(expected);
  });

  it("tells all that is wrong, and no key", () => {
    const wrong = {
      ...{ apiUrl: "ftp://x", apiKey: "", logLevel: "loud", engine: "local" },
      endpoints: '{ "eu": { "apiUrl": "nowhere", "apiKey": "s3cr3t", "key": "s3cr3t" } }',
      defaultLabels: "{ not json s3cr3t",
    };
    const message = toMessage(() => read(wrong));
    for (const part of ["apiUrl", "endpoints.eu.apiUrl", "logLevel", "defaultLabels", "endpoints.eu"]) {
      expect(message).toContain(part);
    }
    expect(message).not.toContain("s3cr3t");
  });

  it("names the endpoints that there are", () => {
    const config = read({ endpoints: { eu: { apiUrl: "https://eu.example.com" } }, apiUrl: "https://example.com" });
    expect(endpointOf(config, "eu")).toEqual({ apiUrl: "https://eu.example.com" });
    expect(endpointOf(config, undefined)).toEqual({ apiUrl: "https://example.com" });
    expect(toMessage(() => endpointOf(config, "us"))).toMatch(/named us \(it has: eu\).*endpoints\.us\.apiUrl/);
    expect(toMessage(() => endpointOf(config, "constructor"))).toContain("no endpoint named constructor");
  });
});

function toMessage(work: () => unknown): string {
  try {
    return `did not fail: ${JSON.stringify(work())}`;
  } catch (error) {
    return String(error);
  }
}
