import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf, toCanonicalJson } from "../../src/image/hash";
import { createTestServer, type TestServer } from "./test-server";

/**
 * Manifests of somebody who means harm. Each is refused with a message that names the place, or is an image like any other
 * whose builder may do what it likes inside: then it says why it may.
 */

let server: TestServer;
let count = 0;
beforeAll(async () => {
  server = await createTestServer();
  for (const bytes of ["", "hello"]) await keep(bytes);
});
afterAll(() => server.close());

const keep = (bytes: string | Buffer) => server.services.blobs.putBytes(server.org, Buffer.from(bytes));
const digest = digestOf("hello");

interface Answer {
  readonly status: number;
  readonly error: string;
  readonly text: string;
}

/** As text, because JSON can say what no object can hold. */
async function send(manifest: unknown): Promise<Answer> {
  const image = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
  count += 1;
  const init = { body: `{"name":"evil-${count}","image":${image}}`, headers: { "Content-Type": "application/json" } };
  const answer = await server.request("POST", "/api/snapshots", init);
  const text = await answer.text();
  const body: unknown = JSON.parse(text);
  const error = typeof body === "object" && body !== null ? String(Reflect.get(body, "error") ?? "") : "";
  // Which kind of step it is stands beside the path.
  return { status: answer.status, error: error.replace(/ \(step \d+, \w+\):/g, ":"), text };
}

const steps = (...all: object[]) => ({ base: "base", steps: all });
const file = (path: string, more = {}) => steps({ type: "add_file", args: { path, digest, ...more } });
const dir = (...entries: object[]) => steps({ type: "add_dir", args: { path: "/d", entries } });
const entry = (path: string, more = {}) => ({ kind: "file", path, digest, ...more });
const link = (path: string, target: string) => ({ kind: "link", path, target });
const workdir = (path: string) => steps({ type: "workdir", args: { path } });
const env = (vars: object) => steps({ type: "env", args: { vars } });
const run = (...commands: string[]) => steps({ type: "run", args: { commands } });
const apt = (...packages: string[]) => steps({ type: "apt_install", args: { packages } });
const pip = (...packages: string[]) => steps({ type: "pip_install", args: { packages } });

describe("refused:", () => {
  it.each<[string, unknown, string]>([
    ["a path that climbs", file("/workspace/../../etc/passwd"), "steps[0].args.path: must not contain '..'"],
    ["a path that climbs at its end", file("/.."), "must not contain '..'"],
    ["a relative path", file("etc/passwd"), "steps[0].args.path: must be an absolute path"],
    ["a path of another system", file("C:\\x"), "must be an absolute path"],
    ["no path", file(""), "steps[0].args.path"],
    ["NUL in a path", file("/a\0b"), "must not contain a NUL byte"],
    ["half a character in a path", file("/a\ud800"), "steps[0].args.path: must be Unicode"],
    ["a name of 256 bytes of two each", file(`/${"ü".repeat(128)}`), "name of more than 255 bytes"],
    ["a path of 4096 bytes", file("/aaaaaaa".repeat(512)), "steps[0].args.path"],
    ["2,000 directories, one in the other", workdir("/a".repeat(2000)), "more than 128 parts"],
    ["a number for a path", file(7 as never), "steps[0].args.path: must be a string"],
    ["/proc", file("/proc/sys/kernel/core_pattern"), "must not be under /proc, /sys or /dev"],
    ["/proc with more slashes", file("///proc/1/root/etc/passwd"), "must not be under"],
    ["/proc behind a dot", file("/./proc/1/root/etc/passwd"), "must not be under"],
    ["/dev behind dots", file("/././/dev/shm/x"), "must not be under"],
    ["/proc as a working directory", workdir("/proc/self/fd/7"), "steps[0].args.path: must not be under"],
    ["/proc behind a dot as a working directory", workdir("/./proc/self/fd/7"), "must not be under"],
    ["/sys as a directory", steps({ type: "add_dir", args: { path: "/sys", entries: [] } }), "must not be under"],

    ["a digest that is none", file("/a", { digest: "sha256:../../../etc/passwd" }), "is not a digest"],
    ["a digest in capitals", file("/a", { digest: digest.toUpperCase() }), "is not a digest"],
    ["a digest of another kind", file("/a", { digest: "md5:d41d8cd98f00b204e9800998ecf8427e" }), "is not a digest"],
    ["a digest with a line after it", file("/a", { digest: `${digest}\n` }), "is not a digest"],
    ["bytes that nobody has", file("/a", { digest: digestOf("never") }), "the server lacks"],
    ["five digits of mode", file("/a", { mode: "06777" }), "steps[0].args.mode: must be four octal digits"],
    ["a negative mode", file("/a", { mode: "-644" }), "must be four octal digits"],
    ["an owner with a command in it", file("/a", { owner: "root;id" }), "steps[0].args.owner: must be a user"],
    ["an owner that is an option", file("/a", { owner: "--reference=/etc/shadow" }), "must be a user"],
    ["an owner outside", file("/a", { owner: "100000:100000" }), "a number above 65535"],
    ["an owner beyond numbers", file("/a", { owner: "4294967296" }), "a number above 65535"],

    ["an entry that climbs", dir(entry("../../etc/passwd")), "steps[0].args.entries[0].path"],
    ["an entry that is absolute", dir(entry("/etc/passwd")), "must be a relative path"],
    ["an entry that is the directory", dir(entry(".")), "'.' or '..' parts"],
    ["an entry with empty parts", dir(entry("a//b")), "empty, '.' or '..' parts"],
    ["half a character in an entry", dir(entry("\udc00")), "steps[0].args.entries[0].path: must be Unicode"],
    ["a path twice", dir(entry("a"), entry("a")), "steps[0].args.entries: must not name a path twice"],
    ["a path as a file and as a directory", dir(entry("a"), { kind: "dir", path: "a" }), "a path twice"],
    ["a file below a link", dir(link("a", "/etc"), entry("a/passwd")), "must not make a link of"],
    ["a link below a link", dir(link("a", "/"), link("a/b", "/etc")), "must not make a link of"],
    ["a file below a file", dir(entry("a"), entry("a/b/c")), "must not make a file of"],
    ["a device", dir({ kind: "device", path: "sda", major: 8, minor: 0 }), "is no kind of entry"],
    ["a hard link", dir({ kind: "hardlink", path: "a", target: "/etc/shadow" }), "is no kind of entry"],
    ["NUL in a link", dir(link("a", "/etc\0")), "must not contain a NUL byte"],
    ["half a character in a link", dir(link("a", "\ud83d")), "must be Unicode"],
    ["a link to nothing", dir(link("a", "")), "steps[0].args.entries[0].target"],
    ["a size of its own", dir(entry("a", { sizeBytes: 2 ** 60 })), "sizeBytes"],
    ["entries and a tree", steps({ type: "add_dir", args: { path: "/d", entries: [], tree: digest } }), "or a tree"],
    ["bytes that are no tree", steps({ type: "add_dir", args: { path: "/d", tree: digest } }), "is no tree"],

    ["an apt option", apt("-oDir::Etc::SourceList=/tmp/x"), "steps[0].args.packages[0]: is not an apt package"],
    ["an apt option with two dashes", apt("--allow-unauthenticated"), "is not an apt package"],
    ["a package file", apt("/etc/passwd"), "is not an apt package"],
    ["a package file that is relative", apt("./evil.deb"), "is not an apt package"],
    ["a command after a package", apt("jq;id"), "is not an apt package"],
    ["a line after a package", apt("jq\n"), "is not an apt package"],
    ["a package to remove", apt("apt-"), "tells apt to remove"],
    ["a pattern of packages", apt("?installed"), "is not an apt package"],
    ["a pip option", pip("--index-url=http://evil.example"), "steps[0].args.packages[0]: is not a pip requirement"],
    ["a pip option in short", pip("-r/etc/passwd"), "is not a pip requirement"],
    ["a pip option behind a package", pip("a --hash=x"), "is not a pip requirement"],
    ["a local path for pip", pip("/etc/passwd"), "is not a pip requirement"],
    ["a local path above", pip("../evil"), "is not a pip requirement"],
    ["a file URL", pip("file:///etc/passwd"), "is not a pip requirement"],
    ["a second line for pip", pip("a\n--extra-index-url http://evil.example"), "must be on one line"],
    ["more packages than a command takes", apt(...Array(90_000).fill("a-package")), "must have together at most"],

    ["a variable with a line in its name", env({ "A\nLD_PRELOAD": "x" }), "is not an environment variable name"],
    ["a variable with = in its name", env({ "A=B": "x" }), "is not an environment variable name"],
    ["a variable without a name", env({ "": "x" }), "is not an environment variable name"],
    ["NUL in a variable", env({ A: "a\0b" }), "steps[0].args.vars.A: must not contain a NUL byte"],
    ["half a character in a variable", env({ A: "\ud800" }), "steps[0].args.vars.A: must be Unicode"],
    ["a variable of a megabyte", env({ A: "x".repeat(1_000_000) }), "steps[0].args.vars.A: must have, with its name"],
    ["variables that no command can have", env(manyVariables("A", 5)), "steps[0].args.vars: must have together"],
    [
      "variables that no command can have, step by step",
      steps(...[1, 2, 3].map((step) => ({ type: "env", args: { vars: manyVariables(`A${step}`, 2) } }))),
      "steps[2].args.vars: and those before it must have together at most",
    ],
    ["variables in a list", env(["a"]), "steps[0].args.vars: must be an object"],

    ["no command", run(""), "steps[0].args.commands[0]: must not be empty"],
    ["NUL in a command", run("a\0b"), "must not contain a NUL byte"],
    ["half a character in a command", run("echo \ud800"), "must be Unicode"],
    ["commands that no shell takes", run(...Array(10).fill("x".repeat(131_000))), "must have together at most"],

    ["no manifest", "null", "image"],
    ["a list", "[]", "image"],
    ["a number", "1e999", "image"],
    ["a text", '"base"', "image"],
    ["another base", '{"base":"../../etc","steps":[]}', 'base: must be "base"'],
    ["no steps", '{"base":"base"}', "steps: is missing"],
    ["steps that are an object", '{"base":"base","steps":{"length":1,"0":{}}}', "steps: must be a list"],
    ["a step that is a list", '{"base":"base","steps":[[]]}', "steps[0]"],
    ["a step of an unknown kind", steps({ type: "__proto__", args: {} }), "is no step type"],
    ["a step of a kind that every object has", steps({ type: "constructor", args: {} }), "is no step type"],
    ["101 steps", steps(...Array(101).fill({ type: "run", args: { commands: [] } })), "at most 100 steps"],
    ["100,000 steps", steps(...Array(100_000).fill({})), "at most 100 steps"],
    ["something more", '{"base":"base","steps":[],"privileged":true}', "privileged"],
    ["something more in a step", steps({ type: "run", args: { commands: [] }, user: "root" }), "user"],
    ["something more in arguments", steps({ type: "run", args: { commands: [], mounts: ["/"] } }), "mounts"],
    ["memory for a thousand machines", '{"base":"base","steps":[],"builderMemoryMB":1e308}', "builderMemoryMB"],
    ["a fraction of memory", '{"base":"base","steps":[],"builderMemoryMB":1024.5}', "builderMemoryMB"],
    ["negative memory", '{"base":"base","steps":[],"builderMemoryMB":-1}', "builderMemoryMB"],
    ["a version of later", '{"base":"base","steps":[],"version":2}', "version: must be 1"],
    [
      "a prototype of a step",
      '{"base":"base","steps":[{"type":"run","args":{"commands":[]},"__proto__":{}}]}',
      "steps[0]",
    ],
    [
      "a prototype for arguments",
      '{"base":"base","steps":[{"type":"run","__proto__":{"args":{"commands":[]}}}]}',
      "args",
    ],
    [
      "a prototype in arguments",
      '{"base":"base","steps":[{"type":"run","args":{"commands":[],"__proto__":[]}}]}',
      "args",
    ],
    [
      "a prototype for a variable",
      '{"base":"base","steps":[{"type":"env","args":{"vars":{"__proto__":"x"}}}]}',
      "__proto__",
    ],
    ["a start before the end", steps(start("a"), start("b")), "must be the last step"],
    ["lists in lists", `{"base":"base","steps":${"[".repeat(5_000)}${"]".repeat(5_000)}}`, ""],
    ["inline content that is no base64", steps({ type: "add_file", args: { path: "/a", content: "%%%" } }), "base64"],
    ["an inline file that climbs", inline("../../etc/passwd"), "steps[0].args.files[0].relativePath"],
    ["an inline file that is absolute", inline("/etc/passwd"), "steps[0].args.files[0].relativePath"],
    ["an inline file with NUL", inline("a\0"), "steps[0].args.files[0].relativePath"],
  ])("%s", async (_, manifest, words) => {
    const { status, error, text } = await send(manifest);
    expect(`${status} ${text.slice(0, 300)}`).toMatch(/^4\d\d /);
    expect(error).toContain(words);
    expect(text.length).toBeLessThan(100_000);
  });
});

describe("an image like any other:", () => {
  it.each<[string, string, unknown]>([
    ["a line in a path", "it is one argument, and a name like others", file("/a\nb")],
    ["escapes in a path", "plans and errors print them escaped", file("/\u001b[2J\u0007")],
    ["letters that look like others", "names are bytes", file("/еtс/pаsswd")],
    ["the same letter, composed or not", "two names", dir(entry("\u00e9"), entry("e\u0301"))],
    ["a path with many slashes", "it is made plain", file("///etc//./motd")],
    ["names like options", "none is ever given without `--`", dir(entry("-rf"), entry("--checkpoint-action=exec=sh"))],
    ["set-user-id for everybody", "root inside is nobody outside", file("/bin/evil", { mode: "6777" })],
    [
      "a link to the host's root",
      "it leads to the image's",
      dir(link("a", "/proc/1/root/etc"), link("b", "/../../..")),
    ],
    ["a link to itself", "whoever follows it is told", dir(link("a", "a"))],
    [
      "LD_PRELOAD and its like",
      "what the engine runs itself has none of it",
      env({ LD_PRELOAD: "/x.so", BASH_ENV: "/x" }),
    ],
    ["lines and quotes in a variable", "they arrive as they are", env({ A: "a\nb\"$(id)`'" })],
    ["names that every object has", "they are names", env({ constructor: "a", toString: "b", hasOwnProperty: "c" })],
    ["a prototype", "no reader ever sees it", '{"base":"base","steps":[],"__proto__":{"base":"x"}}'],
    ["a package from a URL", "pip fetches it inside; what it leaves is not kept", pip("git+https://example.com/a")],
    ["an extra with a marker", "pip reads it", pip("a[b]>=1; python_version < '4'")],
    ["a command that is only harm", "inside", run("rm -rf --no-preserve-root /; :(){ :|:& };:")],
    ["128 directories, one in the other", "so deep and no deeper", workdir("/a".repeat(128))],
  ])("%s, because %s", async (_, _why, manifest) => {
    const { status, text } = await send(manifest);
    expect(`${status} ${text.slice(0, 300)}`).toMatch(/^20[01] /);
  });

  it("nothing of all this reached a prototype", () => {
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as { base?: unknown }).base).toBeUndefined();
  });
});

describe("trees:", () => {
  const tree = async (entries: unknown): Promise<Answer> => {
    const bytes = typeof entries === "string" ? entries : toCanonicalJson(entries);
    return send(steps({ type: "add_dir", args: { path: "/d", tree: await keep(bytes) } }));
  };
  const many = (count: number, toEntry: (name: string) => object) =>
    Array.from({ length: count }, (_, index) => toEntry(String(index).padStart(8, "0")));

  it.each<[string, unknown, string]>([
    [
      "a million entries",
      `[${Array(1_000_000).fill('{"kind":"dir","path":"a"}').join()}]`,
      "lists 1000000 entries, more than",
    ],
    ["entries that climb", many(300, (name) => link(`../${name}`, "x")), "is no tree"],
    ["files below links", many(300, (name) => link(name, "/")).concat(entry("00000007/etc/passwd")), "is no tree"],
    ["all in one directory below a file", [entry("a"), ...many(300, (name) => entry(`a/${name}`))], "is no tree"],
    ["in another spelling", `${toCanonicalJson(many(300, (path) => ({ kind: "dir", path })))} `, "is no tree"],
    ["with halves of characters", many(300, (name) => ({ kind: "dir", path: `${name}\ud800` })), "is no tree"],
    [
      "with a prototype",
      toCanonicalJson(many(300, (path) => ({ kind: "dir", path }))).replace("{", '{"__proto__":{},'),
      "is no tree",
    ],
    ["fewer entries than a tree has", many(2, (path) => ({ kind: "dir", path })), "is no tree"],
    ["a number", "1e999", "is no tree"],
    ["lists in lists", `${"[".repeat(200_000)}${"]".repeat(200_000)}`, "is no tree"],
  ])("%s", async (_, entries, words) => {
    const { status, error } = await tree(entries);
    expect([400, 422]).toContain(status);
    expect(error).toMatch(words);
  });

  it("that name deep directories in every entry are read in time", async () => {
    const startedAt = performance.now();
    const deep = "d/".repeat(120);
    const { status } = await tree(many(10_000, (name) => link(`${name}/${deep}${"x".repeat(250)}`, "x")));
    expect(status).toBe(201);
    expect(performance.now() - startedAt).toBeLessThan(15_000);
  });

  it("one that is larger than any tree is not read at all", async () => {
    const large = await keep(Buffer.alloc(65 * 1024 ** 2, " "));
    const { status, error } = await send(steps({ type: "add_dir", args: { path: "/d", tree: large } }));
    expect(status).toBe(400);
    expect(error).toContain("more than the 64.0 MiB of a tree");
  });
});

function start(command: string): object {
  return { type: "start_command", args: { command } };
}

function inline(relativePath: string): object {
  return steps({ type: "add_dir", args: { path: "/d", files: [{ relativePath, content: "" }] } });
}

function manyVariables(name: string, count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name}_${index}`, "x".repeat(130_000)]));
}
