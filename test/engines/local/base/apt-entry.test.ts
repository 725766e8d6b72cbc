import { describe, expect, it } from "vitest";
import {
  forRelease,
  ofDistribution,
  parseDeb822Sources,
  parseOneLineSources,
  toOneLine,
} from "../../../../src/engines/local/base/apt-entry";

const uri = "http://mirror.example/debian";
const entry = (suite: string, options: Record<string, string> = {}, components = ["main"]) => ({
  uri,
  suite,
  components,
  options,
});

describe("one-line sources", () => {
  it.each([
    [`deb ${uri} bookworm main`, [entry("bookworm")]],
    [`  deb\t${uri}  bookworm   main contrib  # mine`, [entry("bookworm", {}, ["main", "contrib"])]],
    [
      `deb [arch=amd64 signed-by=/k.gpg lang=de] ${uri} bookworm main`,
      [entry("bookworm", { arch: "amd64", "signed-by": "/k.gpg" })],
    ],
    [`deb [ trusted=yes ] ${uri} ./`, [entry("./", { trusted: "yes" }, [])]],
    [`# deb ${uri} bookworm main`, []],
    [`deb-src ${uri} bookworm main`, []],
    ["deb", []],
    ["", []],
  ])("%j", (line, expected) => {
    expect(parseOneLineSources(`${line}\n`)).toEqual(expected);
  });
});

describe("deb822 sources", () => {
  it.each([
    ["one pair", `Types: deb\nURIs: ${uri}\nSuites: bookworm\nComponents: main\n`, [entry("bookworm")]],
    [
      "several suites, comments, a keyring",
      `Types: deb deb-src\n# snapshot\nURIs: ${uri}\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n`,
      [entry("bookworm", { "signed-by": "/k.gpg" }), entry("bookworm-updates", { "signed-by": "/k.gpg" })],
    ],
    [
      "two paragraphs, folded lines, any case",
      `types: deb\nuris: ${uri}\nSUITES: a\n b\nComponents: main\n\n\nTypes: deb\nURIs: ${uri}\nSuites: c\nComponents: main\nTrusted: yes\n`,
      [entry("a"), entry("b"), entry("c", { trusted: "yes" })],
    ],
    ["a disabled one", `Enabled: no\nTypes: deb\nURIs: ${uri}\nSuites: bookworm\nComponents: main\n`, []],
    ["only sources", `Types: deb-src\nURIs: ${uri}\nSuites: bookworm\nComponents: main\n`, []],
    [
      "a key in the file",
      `Types: deb\nURIs: ${uri}\nSuites: bookworm\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ\n`,
      [entry("bookworm")],
    ],
    ["nothing", "", []],
  ])("%s", (_name, text, expected) => {
    expect(parseDeb822Sources(text)).toEqual(expected);
  });

  it("means the same as one line", () => {
    const line = `deb [arch=amd64 signed-by=/k.gpg] ${uri} bookworm main contrib`;
    const paragraph = `Types: deb\nURIs: ${uri}\nSuites: bookworm\nComponents: main contrib\nArchitectures: amd64\nSigned-By: /k.gpg\n`;
    expect(parseDeb822Sources(paragraph)).toEqual(parseOneLineSources(line));
    expect(parseDeb822Sources(paragraph).map((one) => toOneLine(one, { credentials: true }))).toEqual([line]);
  });
});

describe("the distribution's own archives", () => {
  it("are the release, its updates and its security fixes over http", () => {
    const suites = ["bookworm", "bookworm-updates", "bookworm-security"];
    const others = ["bookworm-backports", "nodistro", "cloud-sdk-bookworm", "trixie"];
    const all = [...suites, ...others].map((suite) => entry(suite));
    const medium = { ...entry("bookworm"), uri: "cdrom:[Debian]/" };
    expect(ofDistribution([...all, medium], "bookworm").map(({ suite }) => suite)).toEqual(suites);
  });

  it("can be asked for another release", () => {
    const suites = ["noble", "noble-updates"].map((suite) => entry(suite));
    expect(forRelease(suites, "noble", "jammy").map(({ suite }) => suite)).toEqual(["jammy", "jammy-updates"]);
  });

  it("lose their password on request", () => {
    const secret = { ...entry("bookworm"), uri: "https://user:pass@mirror.example/debian" };
    expect(toOneLine(secret, { credentials: true })).toContain("user:pass@");
    expect(toOneLine(secret, { credentials: false })).toBe("deb https://mirror.example/debian bookworm main");
  });
});
