import { describe, expect, test } from "vitest";
import { readServerConfig, type ServerOptions } from "../../src/server/config";

const read = (options: ServerOptions, env: Record<string, string> = {}) =>
  readServerConfig(options, { env, uid: 0, homeDir: "/" });

describe("what sandboxes reach", () => {
  test.each<[string, ServerOptions, Record<string, string>, string[]]>([
    ["nothing private by default", {}, {}, []],
    ["a list", { reach: ["10.1.0.0/16"] }, {}, ["10.1.0.0/16"]],
    ["a text, as on a command line", { reach: "10.1.0.0/16, 192.168.0.7" }, {}, ["10.1.0.0/16", "192.168.0.7"]],
    ["the environment", {}, { OPENCOMPUTER_REACH: "169.254.169.254" }, ["169.254.169.254"]],
    ["an option before the environment", { reach: "10.1.0.0/16" }, { OPENCOMPUTER_REACH: "x" }, ["10.1.0.0/16"]],
    ["a variable that is empty", {}, { OPENCOMPUTER_REACH: "" }, []],
  ])("%s", (_, options, env, reach) => {
    expect(read(options, env).reach).toEqual(reach);
  });

  test("every wrong entry is told, with all other problems", () => {
    const wrong = ["10.0.0.0/33", "intern.example", "fd00::/8", "127.0.0.1", "127.0.0.0/9", ""];
    const env = { OPENCOMPUTER_REACH: ["10.0.0.0/8", ...wrong].join(","), OPENCOMPUTER_PORT: "99999" };
    const { message } = catching(() => read({}, env));
    expect(message).toContain(`${wrong.length + 1} problems`);
    for (const one of wrong) {
      expect(message).toContain(`OPENCOMPUTER_REACH: must be an IPv4 address or a block of them (10.1.0.0/16), beyond`);
      expect(message).toContain(`got ${JSON.stringify(one)}`);
    }
  });
});

function catching(read: () => unknown): Error {
  try {
    read();
  } catch (error) {
    return error as Error;
  }
  throw new Error("it was taken");
}
