import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFileHasher } from "../../src/image/file-hasher";
import type { LocalDirOptions } from "../../src/image/local-dir-options";
import { openLocalFiles } from "../../src/image/local-files";

/** What stands at a path: text of a file, `→ target` for a link, a trailing slash in the path for an empty directory. */
type Files = Readonly<Record<string, string>>;

let top: string;
let dir: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "oc-tree-"));
  dir = join(top, "app");
  mkdirSync(dir);
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function make(root: string, files: Files): void {
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(path.endsWith("/") ? file : dirname(file), { recursive: true });
    if (content.startsWith("→")) symlinkSync(content.slice(1).trim().replace("TOP", top), file);
    else if (!path.endsWith("/")) writeFileSync(file, content);
  }
}

/** Entries as short texts, and problems with the temporary folder's name left out. */
function read(options: LocalDirOptions = {}, root = dir): { entries: string[]; problems: string[] } {
  const problems: string[] = [];
  const files = openLocalFiles();
  const result = files.readDir(root, root, options, (message) => problems.push(message.replaceAll(top, "TOP")));
  files.close();
  const entries = (result?.entries ?? []).map((entry) => {
    if (entry.kind === "dir") return `${entry.path}/`;
    return entry.kind === "link" ? `${entry.path} → ${entry.target}` : entry.path;
  });
  return { entries, problems };
}

describe("names", () => {
  it("sorts by bytes of UTF-8, not by UTF-16 units or locale, and keeps every name as it is", () => {
    const names = ["B", "a", "a-b", "a.b", "a/x", "a\\b", "e\u0301", "é", "\uE000", "😀", "..."].filter(
      (n) => n !== "a",
    );
    make(dir, Object.fromEntries(names.map((name) => [name, ""])));
    const sorted = [...names].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
    expect(read()).toEqual({ entries: sorted, problems: [] });
    expect(sorted.indexOf("\uE000")).toBeLessThan(sorted.indexOf("😀"));
  });

  it("reports names that are not UTF-8, and takes a replacement character that is really there", () => {
    make(dir, { "sub/\uFFFD": "" });
    closeSync(openSync(Buffer.concat([Buffer.from(join(dir, "sub/caf")), Buffer.from([0xe9])]), "w"));
    symlinkSync(Buffer.from([0x66, 0xff]), join(dir, "link"));
    expect(read()).toEqual({
      entries: ["sub/\uFFFD"],
      problems: [
        "TOP/app/link is a link to f\\xff, which is not UTF-8",
        "TOP/app/sub/caf\\xe9 has a name that is not UTF-8; rename it",
      ],
    });
  });
});

describe("links", () => {
  const kept: [string, Files, string][] = [
    ["one that stays inside", { "sub/f": "", "sub/l": "→ f" }, "sub/l → f"],
    ["one that goes up and stays inside", { f: "", "a/b/l": "→ ../../f" }, "a/b/l → ../../f"],
    ["a dangling one", { l: "→ nowhere/at/all" }, "l → nowhere/at/all"],
    ["one to the tree itself", { "sub/l": "→ .." }, "sub/l → .."],
    ["one to itself", { l: "→ l" }, "l → l"],
    ["one through another", { "x/y/f": "", a: "→ x/y", l: "→ a/../f" }, "l → a/../f"],
  ];
  it.each(kept)("keeps %s", (_name, files, expected) => {
    make(dir, files);
    const { entries, problems } = read();
    expect(problems).toEqual([]);
    expect(entries).toContain(expected);
  });

  const outside = "outside of TOP/app; copy the file in, link within, or set followSymlinks";
  const refused: [string, Files, string][] = [
    ["one to an absolute place", { l: "→ /etc/passwd" }, `TOP/app/l is a link to /etc/passwd, ${outside}`],
    ["one that goes up too far", { "a/l": "→ ../../x" }, `TOP/app/a/l is a link to ../../x, ${outside}`],
    [
      "one that leaves by way of another, though its text stays inside",
      { "s/t/up": "→ ../..", l: "→ s/t/up/../../x" },
      `TOP/app/l is a link to s/t/up/../../x, ${outside}`,
    ],
    [
      "an absolute one into the tree",
      { "v1/run": "", "bin/l": "→ TOP/app/v1/run" },
      "TOP/app/bin/l is a link to TOP/app/v1/run, a place on this machine; link to ../v1/run instead, or set followSymlinks",
    ],
  ];
  it.each(refused)("refuses %s", (_name, files, problem) => {
    make(dir, files);
    expect(read().problems).toEqual([problem]);
  });

  it("knows the tree by the name that leads to it, too", () => {
    make(dir, { f: "" });
    symlinkSync(dir, join(top, "alias"));
    symlinkSync(join(top, "alias", "f"), join(dir, "l"));
    expect(read({}, join(top, "alias")).problems[0]).toContain("link to f instead");
  });
});

describe("followSymlinks", () => {
  it("takes what lies outside as files and directories, keeps what stays inside, wherever it is inside", () => {
    make(top, { "lib/a.txt": "a", "lib/latest": "→ a.txt", "lib/more": "→ ../other", "other/o.txt": "", one: "1" });
    make(dir, { lib: "→ ../lib", one: "→ TOP/one", f: "", inner: "→ f", "sub/self": "→ TOP/app/f", gone: "→ gone2" });
    expect(read({ followSymlinks: true })).toEqual({
      entries: [
        "f",
        "gone → gone2",
        "inner → f",
        "lib/a.txt",
        "lib/latest → a.txt",
        "lib/more/o.txt",
        "one",
        "sub/self",
      ],
      problems: [],
    });
  });

  const endless: [string, Files][] = [
    ["the directory above", { "app/sub/l": "→ TOP/app" }],
    ["something far above", { "app/l": "→ .." }],
    ["a place that links back", { "app/l": "→ ../lib", "lib/back": "→ ../app" }],
    ["two places that link to one another", { "app/l": "→ ../x", "x/y": "→ ../y", "y/x": "→ ../x" }],
  ];
  it.each(endless)("reports a loop by %s", (_name, files) => {
    make(top, files);
    expect(read({ followSymlinks: true }).problems.join()).toMatch(/is a link to .*: following it has no end/);
  });

  it("reports what it cannot take", () => {
    make(dir, { gone: "→ ../gone", dev: "→ /dev/null" });
    expect(read({ followSymlinks: true }).problems).toEqual([
      "TOP/app/dev is a link to /dev/null, which is a device",
      "TOP/app/gone is a link to ../gone, which does not exist",
    ]);
  });
});

describe("what is left out", () => {
  it("leaves out .git, directory or file, unless it is included", () => {
    make(dir, { ".git/HEAD": "", "sub/.git": "gitdir: /home/me", ".gitignore": "f", f: "" });
    expect(read().entries).toEqual([".gitignore", "f"]);
    expect(read({ include: [".git"] }).entries).toEqual([".git/HEAD", ".gitignore", "f", "sub/.git"]);
  });

  it("prefers .opencomputerignore to .dockerignore, and takes both as files", () => {
    make(dir, { ".dockerignore": "*.a", "x.a": "", "x.b": "", "sub/y.b": "" });
    expect(read().entries).toEqual([".dockerignore", "sub/y.b", "x.b"]);
    make(dir, { ".opencomputerignore": "\uFEFF*.b\r\n.docker*\r\n" });
    expect(read().entries).toEqual([".opencomputerignore", "x.a"]);
  });

  it("adds up the ignore file and the option; include brings back, also below what is left out", () => {
    make(dir, { ".dockerignore": "a\n", "a/1": "", "a/2": "", "b/1": "", "b/2": "", "c/1": "" });
    expect(read({ ignore: ["/b/"], include: ["a/1", "/b/2"] }).entries).toEqual([".dockerignore", "a/1", "b/2", "c/1"]);
    expect(read({ ignore: ["*"], include: ["b"] }).entries).toEqual(["b/1", "b/2"]);
  });

  it("minds case, whatever the platform does", () => {
    make(dir, { "A.log": "", "b.LOG": "", ".dockerignore": "a.log\n" });
    expect(read({ ignore: ["*.log"], include: ["a.LOG"] }).entries).toEqual([".dockerignore", "b.LOG"]);
  });

  it("is not changed by what is left out: a directory with nothing else is not there", () => {
    make(dir, { f: "", "empty/": "" });
    const before = read({ ignore: ["*.pyc"] });
    make(dir, { "__pycache__/x.pyc": "", "y.pyc": "", "z.pyc": "→ /etc/passwd" });
    expect(read({ ignore: ["*.pyc"] })).toEqual(before);
    expect(before).toEqual({ entries: ["empty/", "f"], problems: [] });
  });

  it("does not look into directories that are left out as a whole", () => {
    make(dir, { "node_modules/x/l": "→ /etc/passwd", f: "" });
    expect(read({ ignore: ["node_modules/"], include: ["/f"] })).toEqual({ entries: ["f"], problems: [] });
  });

  it("reports ignore files that are none", () => {
    make(dir, { ".dockerignore": "ok\n[\n" });
    expect(read().problems).toEqual(['TOP/app/.dockerignore: "[" is not a pattern']);
  });
});

describe("unreadable things", () => {
  it("reports all at once", () => {
    make(dir, { "a/secret": "x", "b/secret": "x", c: "ok" });
    chmodSync(join(dir, "a"), 0);
    chmodSync(join(dir, "b", "secret"), 0);
    const problems = asNobody(() => read().problems);
    expect(problems).toEqual([
      "TOP/app/a cannot be read: permission denied",
      "TOP/app/b/secret cannot be read: permission denied",
    ]);
  });

  it("reports files that change while they are read, and takes the others", () => {
    make(dir, { a: "a", b: "b" });
    const hasher = createFileHasher(1);
    const hashAll: typeof hasher.hashAll = (jobs) => {
      appendFileSync(join(dir, "a"), "more");
      return hasher.hashAll(jobs);
    };
    const problems: string[] = [];
    const result = openLocalFiles(undefined, { ...hasher, hashAll }).readDir(dir, "app", {}, (message) =>
      problems.push(message),
    );
    expect(problems).toEqual(["app/a changed while it was read; try again when nothing writes to it"]);
    expect(result?.entries.map(({ path }) => path)).toEqual(["b"]);
  });

  it("reports a tree that is none", () => {
    expect(read({}, join(top, "nowhere")).problems[0]).toMatch(/^TOP\/nowhere does not exist/);
    make(top, { f: "" });
    expect(read({}, join(top, "f")).problems).toEqual(["TOP/f is not a directory"]);
  });

  it("gives the same entries wherever the tree lies", () => {
    make(dir, { "a/f": "", l: "→ a/f" });
    const before = read();
    renameSync(dir, join(top, "elsewhere"));
    expect(read({}, join(top, "elsewhere"))).toEqual(before);
  });
});

/** Root may read everything: for it, permissions are tested as somebody else. */
function asNobody<T>(act: () => T): T {
  if (process.geteuid?.() !== 0) return act();
  for (const path of [top, dir, join(dir, "b")]) chownSync(path, 65534, 65534);
  process.seteuid?.(65534);
  try {
    return act();
  } finally {
    process.seteuid?.(0);
  }
}
