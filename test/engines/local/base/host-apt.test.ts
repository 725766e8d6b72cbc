import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readHostApt } from "../../../../src/engines/local/base/host-apt";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "host-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

it("reads both formats and leaves vendors and disabled files out", () => {
  write("etc/os-release", 'NAME="Debian GNU/Linux"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n');
  write("etc/apt/sources.list", "deb http://a.example/debian bookworm main\n");
  write("etc/apt/sources.list.d/b.list", "deb http://b.example/debian bookworm-updates main\n");
  write(
    "etc/apt/sources.list.d/c.sources",
    "Types: deb\nURIs: http://c.example/x\nSuites: bookworm-security\nComponents: main\n",
  );
  write("etc/apt/sources.list.d/vendor.list", "deb http://vendor.example/apt stable main\n");
  write("etc/apt/sources.list.d/old.list.disabled", "deb http://old.example/debian bookworm main\n");
  const { os, entries } = readHostApt(root);
  expect(os.codename).toBe("bookworm");
  expect(entries.map(({ uri }) => uri)).toEqual([
    "http://a.example/debian",
    "http://b.example/debian",
    "http://c.example/x",
  ]);
});

it("is empty on a machine without apt", () => {
  expect(readHostApt(root)).toMatchObject({ os: { id: "" }, entries: [] });
});
