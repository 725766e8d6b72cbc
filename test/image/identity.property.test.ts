import {
  chmodSync,
  chownSync,
  lchownSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Image } from "../../src/image/image";
import type { StartCommandOptions } from "../../src/image/image-manifest";

/** What may stand in a tree. */
type Node =
  | { readonly kind: "file"; readonly content: string; readonly executable: boolean }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "dir" };
type Tree = readonly (readonly [path: string, node: Node])[];

/** All that differs between two machines, and must not tell. */
interface Machine {
  /** Decides in which order things are made. */
  readonly seed: number;
  readonly umask: number;
  readonly permissions: number;
  readonly owner: number;
  readonly time: number;
  readonly zone: string;
  readonly language: string;
  readonly isElsewhere: boolean;
}

let top: string;
const home = process.cwd();
beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), "oc-identity-"));
});
afterEach(() => {
  process.chdir(home);
  vi.unstubAllEnvs();
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

const name = fc.oneof(
  fc.constantFrom(
    "a",
    "B",
    "a.b",
    "a-b",
    "e\u0301",
    "é",
    "😀",
    "\uE000",
    "\uFFFD",
    "a\\b",
    "-x",
    "...",
    "x\ny",
    "10",
    "9",
  ),
  fc.string({ minLength: 1, maxLength: 4 }).filter((one) => !/[/\0]|^\.{1,2}$|^\.git$/.test(one) && one.isWellFormed()),
);
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const node: fc.Arbitrary<Node> = fc.oneof(
  fc.record({ kind: fc.constant("file" as const), content: fc.string({ unit: "binary" }), executable: fc.boolean() }),
  fc.record({ kind: fc.constant("link" as const), target: name }),
  fc.constant({ kind: "dir" as const }),
);
const tree: fc.Arbitrary<Tree> = fc
  .uniqueArray(fc.tuple(path, node), { minLength: 1, maxLength: 8, selector: ([one]) => one })
  .map((nodes) => nodes.filter(([one]) => !nodes.some(([other]) => other.startsWith(`${one}/`))));
const vars = fc.dictionary(fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,4}$/), fc.string(), { minKeys: 1, maxKeys: 5 });
const machine: fc.Arbitrary<Machine> = fc.record({
  seed: fc.nat(),
  umask: fc.integer({ min: 0, max: 0o077 }),
  permissions: fc.integer({ min: 0, max: 0o077 }),
  owner: fc.nat({ max: 60_000 }),
  time: fc.integer({ min: 0, max: 4_000_000_000 }),
  zone: fc.constantFrom("UTC", "Asia/Kolkata", "America/St_Johns"),
  language: fc.constantFrom("C", "tr_TR.UTF-8", "sv_SE.UTF-8"),
  isElsewhere: fc.boolean(),
});

describe("contentHash", () => {
  it("is the same on every machine", () => {
    const law = fc.property(tree, vars, machine, machine, (nodes, env, one, other) => {
      expect(hashOn(one, nodes, env)).toBe(hashOn(other, nodes, env));
    });
    fc.assert(law, { numRuns: 60 });
  });

  it("changes with every change of a tree", () => {
    const law = fc.property(
      tree,
      fc.nat(),
      fc.constantFrom(...Object.values(edits)),
      machine,
      (nodes, at, edit, one) => {
        const index = at % nodes.length;
        const [place, old] = nodes[index] ?? ["", { kind: "dir" as const }];
        const changed = edit(place, old);
        fc.pre(changed.every(([one]) => nodes.every(([path], i) => i === index || !overlaps(path, one))));
        const after = [...nodes.slice(0, index), ...changed, ...nodes.slice(index + 1)];
        expect(hashOn(one, after, {})).not.toBe(hashOn(one, nodes, {}));
      },
    );
    fc.assert(law, { numRuns: 100 });
  });

  it("changes with every change of steps and values", () => {
    const steps = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}$/), { minLength: 2, maxLength: 5 });
    const law = fc.property(steps, vars, fc.nat(), fc.string(), (commands, env, at, text) => {
      const build = (list: readonly string[], values: Record<string, string>) =>
        list.reduce((image, command) => image.runCommands(command), Image.base().env(values)).cacheKey();
      const withService = (list: readonly string[], values: Record<string, string>, options: StartCommandOptions) =>
        list
          .slice(0, -1)
          .reduce((image, command) => image.runCommands(command), Image.base().env(values))
          .startCommand(String(list.at(-1)), options)
          .cacheKey();
      const key = String(Object.keys(env)[at % Object.keys(env).length]);
      const value = env[key] ?? "";
      const others = [
        build([...commands.slice(1), String(commands[0])], env),
        build(commands.slice(1), env),
        build([...commands, "more"], env),
        build(commands, { ...env, [key]: `${value}${text}.`.replaceAll("\0", "") }),
        build(commands, { ...env, [`${key}_2`]: value }),
        withService(commands, env, {}),
        withService(commands, env, { readyCommand: String(commands[0]) }),
        Image.base()
          .env(env)
          .runCommands(...commands)
          .cacheKey(),
      ];
      expect(others).not.toContain(build(commands, env));
      expect(withService(commands, env, {})).not.toBe(withService(commands, env, { readyCommand: "true" }));
    });
    fc.assert(law, { numRuns: 60 });
  });
});

/** Each gives what then stands in the place of one node. */
const edits: Record<string, (path: string, node: Node) => Tree> = {
  content: (path, node) => [[path, node.kind === "file" ? { ...node, content: `${node.content}.` } : textFile]],
  executable: (path, node) => [[path, node.kind === "file" ? { ...node, executable: !node.executable } : textFile]],
  target: (path, node) => [[path, { kind: "link", target: node.kind === "link" ? `${node.target}.` : "t" }]],
  name: (path, node) => [[`${path}.`, node]],
  removed: () => [],
  added: (path, node) => [
    [path, node],
    [`${path}~`, textFile],
  ],
  moved: (path, node) => [[`${path}/deeper`, node]],
  madeEmpty: (path, node) => [[path, node.kind === "dir" ? textFile : { kind: "dir" }]],
};
const textFile: Node = { kind: "file", content: "text", executable: false };

const overlaps = (a: string, b: string) => a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);

/** Makes the tree as that machine has it and hashes it there. */
function hashOn(machine: Machine, nodes: Tree, env: Record<string, string>): string {
  const dir = mkdtempSync(join(top, "t-"));
  const mask = process.umask(machine.umask);
  vi.stubEnv("TZ", machine.zone);
  vi.stubEnv("LANG", machine.language);
  vi.stubEnv("LC_ALL", machine.language);
  try {
    for (const [path, node] of shuffle(nodes, machine.seed)) make(join(dir, path), node, machine);
    process.chdir(machine.isElsewhere ? "/" : dir);
    const named = machine.isElsewhere ? dir : relative(process.cwd(), dir) || ".";
    const shuffled = Object.fromEntries(shuffle(Object.entries(env), machine.seed));
    return Image.base().addLocalDir(named, "/app").env(shuffled).cacheKey();
  } finally {
    process.umask(mask);
    process.chdir(home);
    rmSync(dir, { recursive: true, force: true });
  }
}

function make(file: string, node: Node, { permissions, owner, time }: Machine): void {
  mkdirSync(node.kind === "dir" ? file : dirname(file), { recursive: true });
  if (node.kind === "file") {
    writeFileSync(file, node.content);
    chmodSync(file, (node.executable ? 0o700 : 0o600) | permissions);
  } else if (node.kind === "link") symlinkSync(node.target, file);
  lutimesSync(file, time, time);
  if (process.geteuid?.() !== 0) return;
  lchownSync(file, owner, owner);
  chownSync(dirname(file), owner, owner);
}

/** Another order for another seed. */
function shuffle<T>(items: readonly T[], seed: number): T[] {
  const weight = (index: number) => Math.imul(index + 1, seed * 2 + 0x9e3779b1) >>> 0;
  return items
    .map((item, index) => ({ item, at: weight(index) }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
