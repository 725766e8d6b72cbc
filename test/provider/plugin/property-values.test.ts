import { describe, expect, it } from "vitest";
import { UNKNOWN } from "../../../provider/context";
import { decode, encode, isSecret } from "../../../provider/plugin/property-values";

const secret = (value: unknown) => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  value,
});

describe("decode", () => {
  it("takes the wrappings off and says where they were", () => {
    const wire = { envs: { A: "1", KEY: secret("s") }, list: ["a", secret({ deep: secret("b") })], plain: null };
    expect(decode(wire)).toEqual({
      values: { envs: { A: "1", KEY: "s" }, list: ["a", { deep: "b" }], plain: null },
      secrets: [
        ["envs", "KEY"],
        ["list", 1],
      ],
    });
  });

  it.each([
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
  ])("knows %s as unknown", (spelling) => {
    expect(decode({ a: [secret(spelling)] })).toEqual({ values: { a: [UNKNOWN] }, secrets: [["a", 0]] });
  });

  it("takes nothing for nothing", () => {
    expect(decode(undefined)).toEqual({ values: {}, secrets: [] });
  });
});

describe("encode", () => {
  const cases: [what: string, values: Record<string, unknown>, secrets: (string | number)[][], wire: object][] = [
    ["a place that is there", { envs: { A: "1", B: "2" } }, [["envs", "B"]], { envs: { A: "1", B: secret("2") } }],
    ["an item of a list", { list: ["a", "b"] }, [["list", 1]], { list: ["a", secret("b")] }],
    [
      "a place that is gone makes what is around it secret",
      { envs: { A: "1" } },
      [["envs", "B"]],
      { envs: secret({ A: "1" }) },
    ],
    ["a list that became shorter", { list: ["a"] }, [["list", 3]], { list: secret(["a"]) }],
    ["a property that is gone hides nothing", { a: 1 }, [["b"]], { a: 1 }],
    ["the outer place wins", { a: { b: 1 } }, [["a", "b"], ["a"]], { a: secret({ b: 1 }) }],
    ["undefined is left out", { a: undefined, b: { c: undefined, d: [{ e: undefined }] } }, [], { b: { d: [{}] } }],
  ];
  it.each(cases)("%s", (_what, values, secrets, wire) => {
    expect(encode(values, secrets)).toEqual(wire);
  });

  it("gives back what was decoded", () => {
    const wire = { a: secret("x"), b: { c: [1, secret({ d: 2 })] } };
    const { values, secrets } = decode(wire);
    expect(encode(values, secrets)).toEqual(wire);
  });
});

it("isSecret looks below a property", () => {
  const decoded = decode({ image: { steps: [secret("x")] }, name: "n" });
  expect([isSecret(decoded, "image"), isSecret(decoded, "name")]).toEqual([true, false]);
});
