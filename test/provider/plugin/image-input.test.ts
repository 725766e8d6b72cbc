import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UNKNOWN } from "../../../provider/context";
import { readImageInput } from "../../../provider/plugin/image-input";
import { Image } from "../../../src/image/image";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-image-input-"));
  mkdirSync(join(dir, "agent"));
  writeFileSync(join(dir, "agent", "main.py"), "print('hello')\n");
  writeFileSync(join(dir, "agent", "debug.log"), "ran\n");
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const run = { type: "run", args: { commands: ["make"] } };

describe("readImageInput", () => {
  it("makes of local files what an Image makes of them", async () => {
    const { image, manifest, failures, findBlob } = readImageInput({
      steps: [
        run,
        { type: "add_local_dir", args: { localPath: join(dir, "agent"), path: "/agent", ignore: ["*.log"] } },
        { type: "add_local_file", args: { localPath: join(dir, "agent/main.py"), path: "/main.py", mode: "0600" } },
        { type: "add_content", args: { path: "/motd", content: "grüß dich\n", owner: "root" } },
      ],
      builderMemoryMB: 512,
    });
    const same = Image.base()
      .runCommands("make")
      .addLocalDir(join(dir, "agent"), "/agent", { ignore: ["*.log"] })
      .addLocalFile(join(dir, "agent/main.py"), "/main.py", { mode: 0o600 })
      .addFile("/motd", "grüß dich\n", { owner: "root" })
      .builderMemory(512)
      .resolve();
    expect({ image, manifest, failures }).toEqual({ image: same.manifest, manifest: same.manifest, failures: [] });
    const { steps } = same.manifest;
    const digest = steps[3]?.type === "add_file" ? steps[3].args.digest : "";
    expect(await text(findBlob(digest)?.open() ?? Readable.from([]))).toBe("grüß dich\n");
  });

  it("knows that commands between local steps may do anything, and where they do not", () => {
    const content = (path: string) => ({ type: "add_content", args: { path, content: "" } });
    expect(readImageInput({ steps: [content("/a"), run, content("/a/b")] }).failures).toEqual([]);
    expect(readImageInput({ steps: [run, content("/a"), content("/a/b")] }).failures).toEqual([
      { property: "image.steps[2].args.path", reason: 'needs the directory /a, which step 2 made a file; got "/a/b"' },
    ]);
  });

  it("leaves a manifest as it is, with what it starts", () => {
    const start = { type: "start_command", args: { command: "serve", readyCommand: "curl -sf localhost" } };
    const manifest = { base: "base", steps: [run, start] };
    expect(readImageInput(manifest)).toMatchObject({ image: manifest, manifest, failures: [] });
  });

  it("is unknown as a whole where a part is, and says what is known", () => {
    const waiting = { type: "add_local_dir", args: { localPath: UNKNOWN, path: "/x" } };
    const { image, manifest, failures } = readImageInput({
      steps: [waiting, { type: "add_content", args: { path: "/a", content: "a" } }],
    });
    expect({ manifest, failures }).toEqual({ manifest: UNKNOWN, failures: [] });
    expect(image).toMatchObject({ steps: [waiting, { type: "add_file", args: { path: "/a" } }] });
  });

  it.each([UNKNOWN, undefined, null, "text", { steps: "text" }])("hands %j on for the handlers to judge", (input) => {
    expect(readImageInput(input).failures).toEqual([]);
  });

  it("reports every problem with the number of its step", () => {
    const { failures } = readImageInput({
      steps: [
        run,
        { type: "add_local_file", args: { localPath: "./gone", path: "/a" } },
        { type: "add_content", args: { path: "/b", text: "b" } },
        { type: "add_local_dir", args: { localPath: join(dir, "none"), path: "/c" } },
      ],
    });
    expect(failures.map(({ property }) => property.replace(/\.args.*$/, ""))).toEqual([
      "image.steps[2]",
      "image.steps[2]",
      "image.steps[1]",
      "image.steps[3]",
    ]);
    expect(failures.map(({ reason }) => reason).join("\n")).toMatch(/gone.*does not exist/);
  });
});
