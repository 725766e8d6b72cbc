import { mkdir, readdir, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/hash";
import { toDirContent } from "../../src/image/tree";
import { bodyOf, createTestServer, image, type TestServer } from "./test-server";

let server: TestServer;
let now = 1_800_000_000_000;
beforeEach(async () => {
  server = await createTestServer({ now: () => now });
});
afterEach(() => server.close());

describe("files", () => {
  let files: string;
  beforeEach(async () => {
    const { sandboxID } = await bodyOf(await server.request("POST", "/api/sandboxes", { json: {} }));
    files = `/api/sandboxes/${sandboxID}/files`;
  });

  it("writes, reads, lists, makes and removes", async () => {
    const bytes = new Uint8Array([0, 255, 10, 13]);
    expect((await server.request("PUT", `${files}?path=/data/a%20b`, { body: bytes })).status).toBe(204);
    const read = await server.request("GET", `${files}?path=/data/a+b`);
    expect(new Uint8Array(await read.arrayBuffer())).toEqual(bytes);
    expect(read.headers.get("content-type")).toBe("application/octet-stream");
    expect((await server.request("POST", `${files}/mkdir?path=/data/sub`)).status).toBe(204);
    expect(await (await server.request("GET", `${files}/list?path=/data`)).json()).toEqual([
      { name: "a b", path: "/data/a b", isDir: false, size: 4 },
      { name: "sub", path: "/data/sub", isDir: true, size: 0 },
    ]);
    expect((await server.request("DELETE", `${files}?path=/data`)).status).toBe(204);
    expect((await server.request("GET", `${files}?path=/data/a+b`)).status).toBe(404);
  });

  it("puts relative paths below the user's home, and takes an empty body", async () => {
    expect((await server.request("PUT", `${files}?path=notes`)).status).toBe(204);
    expect(await (await server.request("GET", `${files}?path=/home/sandbox/notes`)).text()).toBe("");
  });

  it("refuses a path that is missing or has NUL", async () => {
    expect((await server.request("GET", files)).status).toBe(400);
    expect((await server.request("PUT", `${files}?path=/a%00b`, { body: "x" })).status).toBe(400);
  });
});

describe("blobs", () => {
  const digest = digestOf("hello");
  const put = (body: string, name = digest, key = server.keys.a) =>
    server.request("PUT", `/api/blobs/${encodeURIComponent(name)}`, { body, key });
  const missing = async (digests: string[], key = server.keys.a) =>
    (await bodyOf(await server.request("POST", "/api/blobs/missing", { json: { digests }, key }))).missing;
  const withFile = { base: "base", steps: [{ type: "add_file", args: { path: "/a", digest } }] };

  it("are missing until brought, and then build", async () => {
    expect(await missing([digest])).toEqual([digest]);
    expect((await put("hello")).status).toBe(204);
    expect(await missing([digest, digestOf("other")])).toEqual([digestOf("other")]);
    expect((await server.request("POST", "/api/snapshots", { json: { name: "a", image: withFile } })).status).toBe(201);
  });

  it("must have the digest that they are sent under", async () => {
    const answer = await put("goodbye");
    expect(answer.status).toBe(400);
    const { error } = await bodyOf(answer);
    expect(error).toContain(digest);
    expect(error).toContain(digestOf("goodbye"));
    expect(await missing([digest])).toEqual([digest]);
    expect((await readdir(`${server.home}/blobs`)).filter((name) => name.startsWith("incoming"))).toEqual([]);
    expect((await put("x", "md5:abc")).status).toBe(400);
  });

  it("of one organisation are no use to another that knows only the digest", async () => {
    await put("hello");
    expect(await missing([digest], server.keys.b)).toEqual([digest]);
    const json = { name: "a", image: withFile };
    expect((await server.request("POST", "/api/snapshots", { json, key: server.keys.b })).status).toBe(422);
  });

  it("that are too many for an image are refused, with the paths in the image", async () => {
    await server.org.touchBlobs([{ digest, sizeBytes: 4 * 1024 ** 3 }], now);
    await put("hello");
    const steps = ["/a", "/b", "/c"].map((path) => ({ type: "add_file", args: { path, digest } }));
    const json = { name: "a", image: { base: "base", steps } };
    const answer = await server.request("POST", "/api/snapshots", { json });
    expect(answer.status).toBe(400);
    const { error } = await bodyOf(answer);
    expect(error).toContain("12.0 GiB, more than the 10.0 GiB of an image. The largest: /a (4.0 GiB), /b (4.0 GiB)");
  });

  it("are taken from where they stopped, or refused where that is none", async () => {
    const path = `/api/blobs/${encodeURIComponent(digest)}`;
    expect((await server.request("PUT", `${path}?offset=2`, { body: "llo" })).status).toBe(409);
    expect((await server.request("PUT", `${path}?offset=x`, { body: "llo" })).status).toBe(400);
    expect((await server.request("PUT", `${path}?offset=0`, { body: "hello" })).status).toBe(204);
  });

  it("cannot be read back", async () => {
    await put("hello");
    expect((await server.request("GET", `/api/blobs/${digest}`)).status).toBe(404);
  });

  it("go when no manifest names them and a day has passed", async () => {
    const kept = digestOf("kept");
    await put("kept", kept);
    await put("hello");
    const image = { base: "base", steps: [{ type: "add_file", args: { path: "/a", digest: kept } }] };
    await server.request("POST", "/api/snapshots", { json: { name: "a", image } });
    const gc = async () => bodyOf(await server.request("POST", "/api/gc"));
    expect(await gc()).toMatchObject({ blobs: 0 });
    now += 25 * 3_600_000;
    expect(await gc()).toMatchObject({ blobs: 1, sizeBytes: 5 });
    expect(await missing([digest, kept])).toEqual([digest]);
  });
});

describe("blobs below a tree", () => {
  const DAY_MS = 24 * 3_600_000;
  const files = Array.from({ length: 250 }, (_, index) => `file ${index}`);
  const { tree } = toDirContent(
    files.map((content, index) => ({
      ...{ kind: "file" as const, path: `f${index}`, digest: digestOf(content), executable: false },
    })),
  );
  const digests = [...files.map(digestOf), tree?.digest ?? ""];
  const img = { base: "base", steps: [{ type: "add_dir", args: { path: "/d", tree: tree?.digest } }] };
  const gc = async () => bodyOf(await server.request("POST", "/api/gc"));
  const missing = async () => (await server.services.blobs.missing(server.org, digests)).missing;
  const stored = async () => {
    const found = await readdir(`${server.home}/blobs`, { recursive: true, withFileTypes: true });
    return found.filter((entry) => entry.isFile()).length;
  };

  beforeEach(async () => {
    for (const content of [...files, tree?.bytes ?? ""]) {
      await server.services.blobs.putBytes(server.org, Buffer.from(content));
    }
    expect((await server.request("POST", "/api/snapshots", { json: { name: "a", image: img } })).status).toBe(201);
  });

  it("stay as long as a snapshot has the tree, and go with it", async () => {
    now += 30 * DAY_MS;
    expect(await gc()).toMatchObject({ blobs: 0 });
    expect(await missing()).toEqual([]);
    await server.request("DELETE", "/api/snapshots/a");
    now += 2 * DAY_MS;
    expect(await gc()).toMatchObject({ blobs: digests.length });
    expect(await stored()).toBe(0);
  });

  it("go from the disk where a crash left files that no row knows", async () => {
    await server.store.dropBlobs(0);
    await mkdir(`${server.home}/blobs/sha256/ab`, { recursive: true });
    await writeFile(`${server.home}/blobs/sha256/ab/${"ab".repeat(32)}`, "orphan");
    expect(await gc()).toMatchObject({ blobs: 1, sizeBytes: 6 });
    expect(await stored()).toBe(digests.length);
  });
});

describe("collection", () => {
  const gc = async () => bodyOf(await server.request("POST", "/api/gc"));
  const snapshot = (name: string, img: unknown) =>
    server.request("POST", "/api/snapshots", { json: { name, image: img } });

  it("keeps what snapshots and sandboxes need, and takes the rest", async () => {
    await snapshot("a", image("print a"));
    await snapshot("b", image("print b"));
    const json = { image: image("print c") };
    const { sandboxID } = await bodyOf(await server.request("POST", "/api/sandboxes", { json }));
    await server.request("DELETE", "/api/snapshots/b");
    expect(await gc()).toMatchObject({ layers: 1 });
    expect(server.engine.layers.size).toBe(2);
    await server.request("DELETE", `/api/sandboxes/${sandboxID}`);
    expect(await gc()).toMatchObject({ layers: 1 });
    expect((await server.request("POST", "/api/sandboxes", { json: { snapshot: "a" } })).status).toBe(201);
  });

  it("waits for no build for ever, but lets none be swept", async () => {
    const building = snapshot("a", image("print a", "wait x"));
    const collecting = gc();
    server.engine.release("x");
    await building;
    await collecting;
    expect((await server.request("POST", "/api/sandboxes", { json: { snapshot: "a" } })).status).toBe(201);
    expect(server.engine.buildsRun).toBe(1);
  });
});
