import * as pulumi from "@pulumi/pulumi";
import { beforeAll, expect, it } from "vitest";
import { getSnapshot, listSnapshots } from "../../provider/functions";

beforeAll(() => pulumi.runtime.setAllConfig({ "opencomputer:logLevel": "quiet" }));

const failures: [string, () => Promise<unknown>, string][] = [
  ["getSnapshot without arguments", () => getSnapshot({}), "getSnapshot: the call has 1 problem:"],
  ["getSnapshot of no endpoint", () => getSnapshot({ name: "a", endpoint: "b" }), "getSnapshot: the stack's"],
  ["listSnapshots of no endpoint", () => listSnapshots({ endpoint: "b" }), "listSnapshots: the stack's"],
];

it.each(failures)(
  "%s ends a program with a message, not with a stack, and keeps its code",
  async (_name, call, said) => {
    const error: unknown = await call().catch((reason: unknown) => reason);
    expect(pulumi.RunError.isInstance(error)).toBe(true);
    expect(error).toMatchObject({ stack: "", code: "invalid_input", message: expect.stringContaining(said) });
  },
);
