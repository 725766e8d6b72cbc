import { describe, expect, it } from "vitest";
import type { HostApt } from "../../../../src/engines/local/base/host-apt";
import { parseOsRelease } from "../../../../src/engines/local/base/os-release";
import type { BaseRecipe } from "../../../../src/engines/local/base/recipe";
import { defaultRecipes, namedRecipe } from "../../../../src/engines/local/base/release-recipe";

const host = (id: string, codename: string, uri: string): HostApt => ({
  os: parseOsRelease(`ID=${id}\nVERSION_CODENAME=${codename}\n`),
  entries: uri === "" ? [] : [{ uri, suite: codename, components: ["main"], options: {} }],
});
const DEBIAN = host("debian", "bookworm", "http://mirror.example/debian");
const UBUNTU = host("ubuntu", "noble", "http://mirror.example/ubuntu");
const sources = (recipe: BaseRecipe | undefined) =>
  recipe?.aptSources?.map(({ uri, suite, components }) => [uri, suite, ...components].join(" "));

describe("default recipes", () => {
  it("are Ubuntu's archive and the machine's own on Debian", () => {
    const { ubuntu, own } = defaultRecipes(DEBIAN);
    expect(sources(ubuntu)?.[0]).toMatch(/^http:\/\/(archive|ports)\.ubuntu\.com\/\S+ jammy main universe$/);
    expect(sources(own)).toEqual(["http://mirror.example/debian bookworm main"]);
  });

  it("use an Ubuntu machine's mirror for both", () => {
    const { ubuntu, own } = defaultRecipes(UBUNTU);
    expect(sources(ubuntu)).toEqual(["http://mirror.example/ubuntu jammy main universe"]);
    expect(sources(own)).toEqual(["http://mirror.example/ubuntu noble main"]);
  });

  it("have none of its own on a machine without apt", () => {
    expect(defaultRecipes(host("fedora", "", "")).own).toBeUndefined();
  });
});

describe("a recipe's id", () => {
  it("is that of the same release asked for by name", () => {
    const { ubuntu, own } = defaultRecipes(DEBIAN);
    expect(namedRecipe(DEBIAN, "jammy").id).toBe(ubuntu.id);
    expect(namedRecipe(DEBIAN, "bookworm").id).toBe(own?.id);
  });

  it("differs by suite and by archive, and not by password", () => {
    const other = namedRecipe(host("debian", "bookworm", "http://other.example/debian"), "bookworm");
    const secret = namedRecipe(host("debian", "bookworm", "http://u:p@mirror.example/debian"), "bookworm");
    const plain = namedRecipe(DEBIAN, "bookworm");
    expect(new Set([plain.id, other.id, namedRecipe(DEBIAN, "trixie").id])).toHaveProperty("size", 3);
    expect(secret.id).toBe(plain.id);
    expect(plain.id).toMatch(/^[0-9a-f]{24}$/);
  });
});
