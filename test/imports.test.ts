import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

/** What every host of the resources runs. */
const HANDLERS =
  /^provider\/(context|config|inputs|is-same|auto-name|image-inputs|build-progress|ready-check|rebuild|recorded-address|snapshot(-[a-z]+)?|sandbox|checkpoint(-wait)?)(\.ts)?$/;

/**
 * Data flows one way through the house, and so do imports. Each room names the rooms that it may see; a file under `src`
 * or `provider` that no room claims is an error, too. Types count: a room that knows another's types knows the room.
 */
const ROOMS: readonly { readonly room: RegExp; readonly sees: readonly RegExp[] }[] = [
  { room: /^src\/(errors|paths|version|failpoint|folders)\.ts$/, sees: [] },
  { room: /^src\/image\//, sees: [/^src\/image\//, /^src\/(errors|paths)$/] },
  { room: /^src\/api\//, sees: [/^src\/(api|image)\//, /^src\/errors$/] },
  { room: /^src\/client\//, sees: [/^src\/(client|api|image)\//, /^src\/(errors|paths|version)$/] },
  { room: /^src\/sdk(\/|\.ts$)/, sees: [/^src\/(sdk|client|api|image)\//, /^src\/errors$/] },
  { room: /^src\/engines\/engine\.ts$/, sees: [/^src\/image\//, /^src\/errors$/] },
  {
    room: /^src\/engines\/local\//,
    sees: [/^src\/engines\/(local\/|engine$)/, /^src\/image\//, /^src\/(errors|failpoint|folders)$/],
  },
  {
    room: /^src\/server\/store\//,
    sees: [/^src\/server\/store\//, /^src\/engines\/engine$/, /^src\/image\//, /^src\/(errors|failpoint)$/],
  },
  {
    room: /^src\/server\/(main|config)\.ts$/,
    sees: [/^src\/server\//, /^src\/engines\//, /^src\/(api|image)\//, /^src\/(errors|paths|version)$/],
  },
  {
    room: /^src\/server\//,
    sees: [
      /^src\/server\//,
      /^src\/engines\/engine$/,
      /^src\/(api|image)\//,
      /^src\/(errors|version|failpoint|folders)$/,
    ],
  },
  { room: /^src\/server\.ts$/, sees: [/^src\/server\//, /^src\/errors$/] },
  { room: /^src\/cli\//, sees: [/^src\//] },
  {
    room: /^src\/index\.ts$/,
    sees: [/^provider\/(resources|checkpoint-resource|functions)$/, /^src\/(api|image)\//, /^src\/errors$/],
  },
  {
    room: HANDLERS,
    sees: [HANDLERS, /^src\/(api|image)\//, /^src\/errors$/],
  },
  { room: /^provider\/dynamic\.ts$/, sees: [] },
  { room: /^provider\//, sees: [/^provider\//, /^src\/(client|api|image)\//, /^src\/(errors|paths)$/] },
];

/** A service must not know which database or engine it has: only main wires them. */
const FORBIDDEN: readonly { readonly room: RegExp; readonly mustNotSee: RegExp }[] = [
  { room: /^src\/server\/(services|routes)\//, mustNotSee: /sqlite|engines\/local/ },
  { room: /^src\/server\/services\//, mustNotSee: /server\/routes/ },
  { room: /^src\/sdk(\/|\.ts$)/, mustNotSee: /@pulumi/ },
  { room: /^src\/(client|server|engines|image|api|sdk|cli)\//, mustNotSee: /@pulumi|^provider/ },
];

const root = resolve(__dirname, "..");

function sourceFiles(dir: string): string[] {
  return readdirSync(join(root, dir), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** What a file imports: paths from the root for our own, names for packages. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  const specifiers = [...text.matchAll(/(?:\bfrom|\bimport\(|^import)\s*"([^"]+)"/gm)].map((match) => match[1] ?? "");
  return specifiers.map((one) => (one.startsWith(".") ? relative(root, resolve(root, file, "..", one)) : one));
}

const files = [...sourceFiles("src"), ...sourceFiles("provider")];

describe("imports go one way", () => {
  it.each(files)("%s", (file) => {
    const home = ROOMS.find(({ room }) => room.test(file));
    expect(home, `${file} stands in no room of test/imports.test.ts`).toBeDefined();
    const own = importsOf(file).filter((one) => /^(src|provider)\//.test(one));
    expect(own.filter((one) => !home?.sees.some((pattern) => pattern.test(one)))).toEqual([]);
    const rules = FORBIDDEN.filter(({ room }) => room.test(file));
    expect(importsOf(file).filter((one) => rules.some(({ mustNotSee }) => mustNotSee.test(one)))).toEqual([]);
  });
});
