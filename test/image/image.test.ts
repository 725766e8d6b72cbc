import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OpenComputerError } from "../../src/errors";
import { isOpenComputerError } from "../../src/errors";
import { contentHash, stepKeys } from "../../src/image/hash";
import { Image, isImage } from "../../src/image/image";
import { parseManifest } from "../../src/image/manifest";
import vectors from "./vectors.json";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-image-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const full = () =>
  Image.base()
    .aptInstall(["jq"])
    .pipInstall(["pandas>=2,<3", "uvicorn[standard]==0.30.1"])
    .runCommands("cd /tmp", "make all")
    .env({ STAGE: "prod" })
    .workdir("/workspace")
    .addFile("/workspace/a.txt", "hello\n");

const problemsOf = (image: Image): string[] => {
  try {
    image.toJSON();
  } catch (error) {
    if (!isOpenComputerError(error, "invalid_input")) throw error;
    return ((error as OpenComputerError).details["problems"] as { path: string; message: string }[]).map(
      (problem) => `${problem.path}: ${problem.message}`,
    );
  }
  return [];
};

describe("identity", () => {
  it.each(Object.entries(vectors))("keeps the golden hash of %s", (_name, { manifest, hash }) => {
    expect(contentHash(manifest as never)).toBe(hash);
  });

  it("keeps the golden keys of steps", () => {
    const { manifest, layers } = vectors["the keys of steps"];
    expect(stepKeys(layers.base, parseManifest(manifest).steps, layers.flavour)).toEqual(layers.keys);
  });

  const changes: [string, (image: Image) => Image][] = [
    ["a package", (image) => image.aptInstall(["curl"])],
    ["an empty step", (image) => image.runCommands()],
    ["a variable", (image) => image.env({ STAGE: "dev" })],
    ["a file", (image) => image.addFile("/x", "y")],
    ["a service", (image) => image.startCommand("serve")],
  ];
  it.each(changes)("changes with %s", (_name, change) => {
    expect(change(full()).cacheKey()).not.toBe(full().cacheKey());
  });

  it("changes with all that is said of a service", () => {
    const services: Parameters<Image["startCommand"]>[] = [
      ...([["serve"], ["serve "], ["serve", { readyCommand: "ready" }]] satisfies Parameters<Image["startCommand"]>[]),
      ["serve", { readyCommand: "ready", readyTimeoutSeconds: 60 }],
      ["serve", { readyCommand: "ready", readyTimeoutSeconds: 61 }],
    ];
    const hashes = services.map((said) =>
      full()
        .startCommand(...said)
        .cacheKey(),
    );
    expect(new Set([...hashes, full().runCommands("serve").cacheKey()]).size).toBe(services.length + 1);
  });

  it("does not depend on the order of variables, builder memory or spelling of a path", () => {
    expect(Image.base().env({ A: "1", B: "2" }).cacheKey()).toBe(Image.base().env({ B: "2", A: "1" }).cacheKey());
    expect(full().builderMemory(8192).cacheKey()).toBe(full().cacheKey());
    expect(Image.base().workdir("/a//b/./c/").cacheKey()).toBe(Image.base().workdir("/a/b/c").cacheKey());
  });

  it("gives each step a key that depends on all before it", () => {
    const before = stepKeys("0".repeat(64), full().toJSON().steps, "f1");
    const after = stepKeys("0".repeat(64), full().aptInstall(["curl"]).toJSON().steps, "f1");
    expect(after.slice(0, before.length)).toEqual(before);
    expect(stepKeys("1".repeat(64), full().toJSON().steps, "f1")[0]).not.toBe(before[0]);
    expect(stepKeys("0".repeat(64), full().toJSON().steps, "f2")[0]).not.toBe(before[0]);
    expect(new Set(before).size).toBe(before.length);
  });
});

describe("immutability", () => {
  it("leaves the image as it was", () => {
    const base = Image.base();
    base.aptInstall(["jq"]);
    expect(base.toJSON()).toEqual({ base: "base", steps: [] });
    expect(isImage(base)).toBe(true);
    expect(isImage({ ...base })).toBe(false);
  });

  it("copies what it is given", () => {
    const packages = ["jq"];
    const vars: Record<string, string> = { A: "1" };
    const image = Image.base().aptInstall(packages).env(vars);
    packages.push("curl");
    vars["B"] = "2";
    expect(image.toJSON().steps.map((step) => step.args)).toEqual([{ packages: ["jq"] }, { vars: { A: "1" } }]);
  });
});

describe("validation", () => {
  it("reports all problems of all steps at once, each with its path", () => {
    const image = Image.base()
      .aptInstall(["", "jq; rm -rf /", "-o=x", "libc6:amd64", "jq=1.6-2.1"])
      .pipInstall(["--index-url=http://x", "numpy"])
      .runCommands("")
      .workdir("relative")
      .addLocalFile(join(dir, "missing.txt"), "/x")
      .addFile("/proc/self/x", "content")
      .addLocalDir(join(dir, "nowhere"), "also/relative");
    expect(problemsOf(image).map((problem) => problem.split(":")[0])).toEqual([
      "steps[0].args.packages[0]",
      "steps[0].args.packages[1]",
      "steps[0].args.packages[2]",
      "steps[1].args.packages[0]",
      "steps[2].args.commands[0]",
      "steps[3].args.path",
      "steps[4]",
      "steps[5].args.path",
      "steps[6]",
      "steps[6].args.path",
    ]);
  });

  it.each([
    ["packages that are no list", Image.base().aptInstall("jq" as never), "steps[0].args.packages"],
    ["values that are no text", Image.base().env({ A: 1 } as never), "steps[0].args.vars.A"],
    ["content that is no text", Image.base().addFile("/x", 7 as never), "steps[0]"],
    ["memory for a mouse", Image.base().builderMemory(1), "builderMemoryMB"],
    ["'..' in a path", Image.base().addFile("/a/../b", ""), "steps[0].args.path"],
  ])("refuses %s", (_name, image, path) => {
    expect(problemsOf(image)[0]).toContain(path);
  });
});

describe("local files", () => {
  const tree = () => Image.base().addLocalDir(dir, "/app");

  beforeEach(() => {
    mkdirSync(join(dir, "sub", "deep"), { recursive: true });
    mkdirSync(join(dir, "empty"));
    writeFileSync(join(dir, "sub", "deep", "b.txt"), "bee\n");
    writeFileSync(join(dir, "run.sh"), "#!/bin/sh\n", { mode: 0o755 });
    symlinkSync("sub/deep", join(dir, "link"));
    symlinkSync("not-there", join(dir, "dangling"));
  });

  it("takes files with their executable bit, links and empty directories, sorted", () => {
    expect(tree().toJSON().steps[0]?.args).toMatchObject({
      path: "/app",
      entries: [
        { kind: "link", path: "dangling", target: "not-there" },
        { kind: "dir", path: "empty" },
        { kind: "link", path: "link", target: "sub/deep" },
        { kind: "file", path: "run.sh", executable: true },
        { kind: "file", path: "sub/deep/b.txt", executable: false },
      ],
    });
  });

  it("knows where the bytes are", async () => {
    const resolved = tree().resolve();
    const step = resolved.manifest.steps[0];
    const entry =
      step?.type === "add_dir" && "entries" in step.args
        ? step.args.entries.find((one) => one.path === "sub/deep/b.txt")
        : undefined;
    const source = entry?.kind === "file" ? resolved.findBlob(entry.digest) : undefined;
    expect(source).toMatchObject({ sizeBytes: 4, label: join(dir, "sub/deep/b.txt") });
    expect(Buffer.concat((await source?.open().toArray()) ?? []).toString()).toBe("bee\n");
  });

  const neutral: [string, () => void][] = [
    ["a new modification time", () => utimesSync(join(dir, "run.sh"), 1, 1)],
    ["group and other permissions", () => chmodSync(join(dir, "run.sh"), 0o700)],
  ];
  it.each(neutral)("is not changed by %s", (_name, change) => {
    const before = tree().cacheKey();
    change();
    expect(tree().cacheKey()).toBe(before);
  });

  const telling: [string, () => void][] = [
    ["content", () => writeFileSync(join(dir, "run.sh"), "#!/bin/bash\n")],
    ["the executable bit", () => chmodSync(join(dir, "run.sh"), 0o644)],
    ["a new empty directory", () => mkdirSync(join(dir, "empty2"))],
    ["a removed file", () => rmSync(join(dir, "run.sh"))],
  ];
  it.each(telling)("is changed by %s", (_name, change) => {
    const before = tree().cacheKey();
    change();
    expect(tree().cacheKey()).not.toBe(before);
  });

  it("refuses links that leave the tree, sockets and files in place of directories, all at once", async () => {
    symlinkSync("/etc/passwd", join(dir, "abs"));
    symlinkSync("../../x", join(dir, "sub", "out"));
    const server = createServer().listen(join(dir, "socket"));
    await new Promise((ready) => server.once("listening", ready));
    const problems = problemsOf(tree().addLocalDir(join(dir, "run.sh"), "/y").addLocalFile(dir, "/z"));
    server.close();
    expect(problems.map((problem) => problem.replaceAll(dir, "DIR"))).toEqual([
      "steps[0]: DIR/abs is a link to /etc/passwd, outside of DIR; copy the file in, link within, or set followSymlinks",
      "steps[0]: DIR/socket is a socket; only files, directories and links can be added",
      "steps[0]: DIR/sub/out is a link to ../../x, outside of DIR; copy the file in, link within, or set followSymlinks",
      "steps[1]: DIR/run.sh is not a directory",
      "steps[2]: DIR is a directory, not a file",
    ]);
  });
});
