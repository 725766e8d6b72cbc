import { describe, expect, it } from "vitest";
import { contentHash, digestOf } from "../../src/image/hash";
import { toCanonicalManifest } from "../../src/image/inline-manifest";

const base64 = (text: string) => Buffer.from(text).toString("base64");

async function convert(input: unknown) {
  const stored: string[] = [];
  const manifest = await toCanonicalManifest(input, async (bytes) => {
    stored.push(Buffer.from(bytes).toString());
    return digestOf(bytes);
  });
  return { manifest, stored };
}

const steps = (...list: unknown[]) => ({ base: "base", steps: list });
const file = (args: object) => steps({ type: "add_file", args });
const dir = (args: object) => steps({ type: "add_dir", args });

describe("inline manifests", () => {
  it("become the canonical form, each file's bytes handed over once", async () => {
    const { manifest, stored } = await convert({
      base: "",
      name: "n",
      runtimeMemoryMB: 1024,
      builderMemoryMB: 4096,
      steps: [
        { type: "apt_install", args: { packages: ["jq"] } },
        { type: "add_file", args: { path: "/a", content: base64("one"), encoding: "base64" } },
        {
          type: "add_dir",
          args: {
            path: "/d",
            files: [
              { relativePath: "sub/./b", content: base64("two") },
              { relativePath: "./a", content: "" },
            ],
          },
        },
      ],
    });
    expect(stored).toEqual(["one", "two", ""]);
    expect(manifest).toEqual({
      base: "base",
      builderMemoryMB: 4096,
      steps: [
        { type: "apt_install", args: { packages: ["jq"] } },
        { type: "add_file", args: { path: "/a", digest: digestOf("one"), executable: false } },
        {
          type: "add_dir",
          args: {
            path: "/d",
            entries: [
              { kind: "file", path: "a", digest: digestOf(""), executable: false },
              { kind: "file", path: "sub/b", digest: digestOf("two"), executable: false },
            ],
          },
        },
      ],
    });
  });

  it("have the hash of the canonical form, whatever the order of files", async () => {
    const files = ["x", "a/b", "m"].map((relativePath) => ({ relativePath, content: base64(relativePath) }));
    const hashes = await Promise.all(
      [files, [...files].reverse()].map(async (list) =>
        contentHash((await convert(dir({ path: "/d", files: list }))).manifest),
      ),
    );
    expect(hashes[0]).toBe(hashes[1]);
  });

  it.each(["", "base", "ubuntu", "default"])("call the base %j the base", async (base) => {
    expect((await convert({ base, steps: [] })).manifest.base).toBe("base");
  });

  it("may have a service, of which the official clients know nothing", async () => {
    const start = { type: "start_command", args: { command: "serve", readyCommand: "true" } };
    expect((await convert(steps(start))).manifest.steps).toEqual([start]);
  });

  it("may mix both forms", async () => {
    const digest = digestOf("x");
    const both = steps(
      { type: "add_file", args: { path: "/a", digest } },
      { type: "add_file", args: { path: "/b", content: base64("x"), encoding: "" } },
    );
    expect((await convert(both)).manifest.steps.map((step) => step.type === "add_file" && step.args.digest)).toEqual([
      ...[digest, digest],
    ]);
  });

  const bad: [string, unknown, string][] = [
    ["no object", null, "manifest"],
    ["another base", { base: "alpine", steps: [] }, "base"],
    ["no steps", { base: "base" }, "steps"],
    ["content that is no base64", file({ path: "/a", content: "###" }), "steps[0].args.content"],
    ["content without padding", file({ path: "/a", content: "aGk" }), "steps[0].args.content"],
    ["content that is no text", file({ path: "/a", content: 1 }), "steps[0].args.content"],
    ["another encoding", file({ path: "/a", content: "", encoding: "hex" }), "steps[0].args.encoding"],
    ["content and a digest", file({ path: "/a", content: "", digest: digestOf("") }), "digest"],
    ["a relative path", file({ path: "a", content: "" }), "steps[0].args.path"],
    ["a file outside", dir({ path: "/d", files: [{ relativePath: "../x", content: "" }] }), "files[0].relativePath"],
    ["an absolute file", dir({ path: "/d", files: [{ relativePath: "/x", content: "" }] }), "files[0].relativePath"],
    [
      "a file without a name",
      dir({ path: "/d", files: [{ relativePath: "./", content: "" }] }),
      "files[0].relativePath",
    ],
    ["bad content in a dir", dir({ path: "/d", files: [{ relativePath: "x", content: "#" }] }), "files[0].content"],
    ["files and entries", dir({ path: "/d", files: [], entries: [] }), "entries"],
    ["a type that is none", steps({ type: "nope", args: {} }), "steps[0]"],
  ];
  it.each(bad)("refuse %s, saying where", async (_, input, where) => {
    await expect(convert(input)).rejects.toMatchObject({
      ...{ code: "invalid_input", message: expect.stringContaining(where) },
    });
  });

  it("tell all problems at once", async () => {
    const input = steps(
      { type: "add_file", args: { path: "a", content: "#" } },
      { type: "pip_install", args: { packages: [""] } },
      { type: "add_dir", args: { path: "/d", files: [{ relativePath: "..", content: "#" }] } },
    );
    const error = await convert(input).catch((reason) => reason);
    const paths = error.details.problems.map((problem: { path: string }) => problem.path);
    expect(new Set(paths)).toEqual(
      new Set([
        ...["steps[0].args.content", "steps[0].args.path", "steps[1].args.packages[0]"],
        ...["steps[2].args.files[0].content", "steps[2].args.files[0].relativePath"],
      ]),
    );
  });
});
