import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createClient } from "../../src/client/client";
import { digestOf } from "../../src/image/hash";
import { Image } from "../../src/image/image";
import { type FakeServer, type RecordedRequest, type Replies, sse, startFakeServer } from "./fake-server";

const CREATE = "POST /api/snapshots";
const MISSING = "POST /api/blobs/missing";
const RESULT = sse(["result", { id: "1", name: "n", status: "ready", contentHash: "x", manifest: {}, createdAt: "" }]);
const lacksAll = ({ body }: RecordedRequest) => ({ json: { missing: JSON.parse(body.toString()).digests } });

let server: FakeServer;
let dir: string;
const warnings: string[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-blobs-"));
  warnings.length = 0;
});
afterEach(async () => {
  rmSync(dir, { recursive: true });
  await server?.close();
});

async function create(replies: Replies, image: Image | ReturnType<Image["resolve"]>) {
  server = await startFakeServer({ [CREATE]: RESULT, ...replies });
  const api = createClient({
    apiUrl: server.url,
    onWarning: (text) => warnings.push(text),
    retry: { attempts: 2, baseDelayMs: 1 },
  });
  return api.createSnapshot({ name: "n", image: image instanceof Image ? image.resolve() : image });
}

const calls = () => server.requests.map((request) => request.call);
const put = (content: string) => `PUT /api/blobs/${encodeURIComponent(digestOf(content))}`;
const file = (name: string, content: string) => {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
};

describe("towards our own server", () => {
  it("asks nothing where the image has no files", async () => {
    await create({}, Image.base().aptInstall(["jq"]));
    expect(calls()).toEqual([CREATE]);
  });

  it("asks whether the server is one that knows start commands", async () => {
    await create({ [MISSING]: { json: { missing: [] } } }, Image.base().startCommand("serve"));
    expect(calls()).toEqual([MISSING, CREATE]);
  });

  it("sends what is missing, once, and the manifest by digest", async () => {
    const image = Image.base().addFile("/a", "one").addFile("/b", "one").addFile("/c", "two").addFile("/d", "three");
    const missing = [digestOf("one"), digestOf("two")];
    await create(
      { [MISSING]: { json: { missing } }, [put("one")]: { status: 204 }, [put("two")]: { status: 204 } },
      image,
    );
    expect(calls().slice(0, 1)).toEqual([MISSING]);
    expect(calls().slice(1, 3).sort()).toEqual([put("one"), put("two")].sort());
    expect(calls().slice(3)).toEqual([CREATE]);
    const [asked, ...rest] = server.requests;
    expect(JSON.parse(asked?.body.toString() ?? "").digests).toEqual(["one", "two", "three"].map(digestOf));
    expect(rest.find((request) => request.call === put("two"))?.body.toString()).toBe("two");
    expect(rest.at(-1)?.body.toString()).not.toContain("three");
  });

  it.each([
    [9, ["upload: uploading 2 files (9.0 MiB)"]],
    [1, []],
  ])("says as the first line of the build that %i MiB are uploaded", async (mebibytes, expected) => {
    const large = Buffer.alloc(mebibytes * 1024 * 1024 - 1).toString();
    const image = Image.base().addFile("/a", "a").addFile("/b", large);
    server = await startFakeServer({ [CREATE]: RESULT, [MISSING]: lacksAll, [put("a")]: {}, [put(large)]: {} });
    const lines: string[] = [];
    const onBuildLog = ({ type, message }: { type: string; message: string }) => lines.push(`${type}: ${message}`);
    await createClient({ apiUrl: server.url }).createSnapshot({ name: "n", image: image.resolve() }, { onBuildLog });
    expect(lines).toEqual(expected);
  });

  it("sends a file again, from its start, after 503", async () => {
    const busy = { status: 503, json: { error: "busy" } };
    await create({ [MISSING]: lacksAll, [put("one")]: [busy, { status: 204 }] }, Image.base().addFile("/a", "one"));
    expect(server.requests.filter(({ call }) => call === put("one")).map(({ body }) => body.toString())).toEqual([
      "one",
      "one",
    ]);
  });

  it.each<[string, (path: string) => void]>([
    ["changed", (path) => writeFileSync(path, "two")],
    ["grew", (path) => writeFileSync(path, "one and more")],
    ["shrank", (path) => writeFileSync(path, "")],
    ["vanished", (path) => rmSync(path)],
  ])("names a file that %s, and creates nothing", async (_name, change) => {
    const path = file("a.txt", "one");
    const image = Image.base().addLocalFile(path, "/a").resolve();
    change(path);
    const result = create(
      { [MISSING]: lacksAll, [put("one")]: { status: 400, json: { error: "digest mismatch" } } },
      image,
    );
    await expect(result).rejects.toMatchObject({
      code: "file_changed",
      details: { path },
      message: expect.stringContaining(path),
    });
    expect(calls()).not.toContain(CREATE);
  });

  it("sends at most four at a time", async () => {
    let open = 0;
    let most = 0;
    const contents = Array.from({ length: 12 }, (_, index) => `content ${index}`);
    const image = contents
      .reduce((before, content, index) => before.addFile(`/f${index}`, content), Image.base())
      .resolve();
    const findBlob = (digest: string) => {
      const source = image.findBlob(digest);
      const slow = async function* () {
        most = Math.max(most, ++open);
        await new Promise((resolve) => setTimeout(resolve, 5));
        yield* source?.open() ?? [];
        open--;
      };
      return source && { ...source, open: () => Readable.from(slow()) };
    };
    const stored = Object.fromEntries(contents.map((content) => [put(content), { status: 204 }]));
    await create({ [MISSING]: lacksAll, ...stored }, { ...image, findBlob });
    expect(most).toBe(4);
  });

  it("says who should have the bytes", async () => {
    const image = { ...Image.base().addFile("/a", "one").resolve(), findBlob: () => undefined };
    await expect(create({ [MISSING]: lacksAll }, image)).rejects.toMatchObject({
      code: "blob_missing",
      details: { digests: [digestOf("one")] },
    });
  });

  const lost = (...contents: string[]) => ({
    error: "gone",
    code: "blob_missing",
    details: { digests: contents.map((content) => digestOf(content)) },
  });
  const missing = (...contents: string[]) => ({ json: { missing: contents.map((content) => digestOf(content)) } });
  const stored = { [put("one")]: { status: 204 }, [put("two")]: { status: 204 } };

  it.each([
    ["before the build", { status: 422, json: lost("one") }],
    ["in the middle of it", sse(["error", lost("one")])],
  ])("brings bytes again that were there and are lost %s", async (_when, reply) => {
    const replies = { [MISSING]: [missing(), missing("one")], ...stored, [CREATE]: [reply, RESULT] };
    await create(replies, Image.base().addFile("/a", "one"));
    expect(calls()).toEqual([MISSING, CREATE, MISSING, put("one"), CREATE]);
  });

  it("brings again as many as are found to be lost, one after the other, but each once", async () => {
    const asked = [missing(), missing("one"), missing("two"), missing("one")];
    const answers = ["one", "two", "one"].map((content) => sse(["error", lost(content)]));
    const replies = { [MISSING]: asked, ...stored, [CREATE]: answers };
    const image = Image.base().addFile("/a", "one").addFile("/b", "two");
    await expect(create(replies, image)).rejects.toMatchObject({ code: "blob_missing" });
    expect(calls()).toEqual([MISSING, CREATE, MISSING, put("one"), CREATE, MISSING, put("two"), CREATE]);
  });

  it("ends with the server's error where it refuses bytes that are right", async () => {
    const full = { status: 500, json: { error: "disk full" } };
    const image = Image.base().addFile("/a", "one").addFile("/b", "two");
    await expect(create({ [MISSING]: lacksAll, [put("one")]: full, [put("two")]: full }, image)).rejects.toThrow(
      "disk full",
    );
  });
});

describe("towards a server without uploads", () => {
  it.each([
    [404, { chunks: ["404 page not found"] }],
    [404, { json: { error: "not found" } }],
    [405, { json: { message: "Method Not Allowed" } }],
  ])("puts the bytes into the manifest after %s %j", async (status, reply) => {
    mkdirSync(join(dir, "d/sub"), { recursive: true });
    file("d/sub/x.txt", "ex");
    const image = Image.base().addFile("/a", "<é>").addLocalDir(join(dir, "d"), "/d").runCommands("true");
    await create({ [MISSING]: { status, ...reply } }, image);
    expect(JSON.parse(server.requests.at(-1)?.body.toString() ?? "").image.steps).toEqual([
      { type: "add_file", args: { path: "/a", content: Buffer.from("<é>").toString("base64"), encoding: "base64" } },
      { type: "add_dir", args: { path: "/d", files: [{ relativePath: "sub/x.txt", content: "ZXg=" }] } },
      { type: "run", args: { commands: ["true"] } },
    ]);
    expect(warnings).toEqual([]);
  });

  it("tells in one warning what is lost", async () => {
    mkdirSync(join(dir, "d/empty"), { recursive: true });
    chmodSync(file("d/tool.sh", "#!/bin/sh"), 0o755);
    symlinkSync("tool.sh", join(dir, "d/link"));
    const image = Image.base().addLocalDir(join(dir, "d"), "/d");
    await create({ [MISSING]: { status: 404 } }, image.addFile("/key", "k", { mode: 0o600, owner: "root" }));
    expect(warnings).toHaveLength(1);
    const lost = ["executable bit of /d/tool.sh", "links /d/link", "empty directories /d/empty"];
    for (const what of [...lost, "modes of /key", "owners of /key"]) expect(warnings[0]).toContain(what);
  });

  it("names the largest paths where a request has no room, and reads nothing", async () => {
    const resolved = Image.base().addFile("/small", "s").addFile("/models/large", "l").resolve();
    const sized = (digest: string) => (digest === digestOf("l") ? 129 * 1024 * 1024 : 1);
    const findBlob = (digest: string) => ({
      ...{ digest, sizeBytes: sized(digest), label: "never read" },
      open: () => expect.fail("it was read"),
    });
    const created = create({ [MISSING]: { status: 404 } }, { ...resolved, findBlob });
    await expect(created).rejects.toThrow(/room for 128.0 MiB.*\/models\/large \(129.0 MiB\)/);
    expect(calls()).toEqual([MISSING]);
  });

  it("names a file that changed", async () => {
    const path = file("a.txt", "one");
    const image = Image.base().addLocalFile(path, "/a").resolve();
    writeFileSync(path, "two");
    await expect(create({ [MISSING]: { status: 404 } }, image)).rejects.toMatchObject({ code: "file_changed" });
  });

  it.each([
    ["with files", Image.base().addFile("/a", "one")],
    ["without files", Image.base()],
  ])("refuses a start command, %s", async (_name, image) => {
    const created = create({ [MISSING]: { status: 404 } }, image.runCommands("true").startCommand("serve"));
    const refusal = { code: "unsupported", message: expect.stringMatching(/startCommand \(step [23] of the image\)/) };
    await expect(created).rejects.toMatchObject(refusal);
    expect(calls()).toEqual([MISSING]);
  });
});
