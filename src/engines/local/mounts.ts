import { readFile } from "node:fs/promises";
import { OpenComputerError } from "../../errors";
import type { Hand } from "./hand";

/** Overlay mounts: frozen layers below, one writable directory on top. */

/** What the kernel knows about overlays; see overlay-probe.ts. */
export interface OverlayFlavour {
  /** Keeps the kernel from writing an identity of its own into the upper directory; kernels before 6.6 know it not. */
  readonly uuidNull: boolean;
  /** Takes each layer as an option of its own: from 6.8 on. Before, all of them have to fit one page. */
  readonly byOption: boolean;
}

export interface OverlayOptions {
  /** Directories of the layers, lowest first, relative to the directory the mount is made in. */
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
  readonly flavour: OverlayFlavour;
}

/** The kernel's own limit. */
const MAX_LOWERS = 500;
/** mount(2) takes one page of options and cuts off the rest in silence; the kernel itself needs some of it. */
const MAX_PAGE_BYTES = 4096 - 512;
/** The longest value of an option that is handed over on its own. */
const MAX_VALUE_BYTES = 255;

/** So many layers fit a page for sure, where the home's path is not long. */
const SURE_OF_PAGE = 120;

/** How many layers one mount can have. */
export function maxLowers({ byOption }: OverlayFlavour): number {
  return byOption ? MAX_LOWERS : SURE_OF_PAGE;
}

type Option = readonly [name: string, value: string];

/**
 * The words that ask for an overlay mount, after its target and directory. Nothing in a layer may redirect a look-up
 * elsewhere, so that a layer means the same on every stack.
 *
 * @throws unsupported where the stack is too deep for one mount
 */
export function overlayRequest({ lowers, upper, work, flavour }: OverlayOptions): readonly [verb: string, ...string[]] {
  // The kernel wants the highest first.
  const highestFirst = [...lowers].reverse();
  const others: readonly Option[] = [
    ["upperdir", upper],
    ["workdir", work],
    ["redirect_dir", "nofollow"],
    ["metacopy", "off"],
    ["index", "off"],
    ...(flavour.uuidNull ? ([["uuid", "null"]] as const) : []),
  ];
  if (lowers.length > MAX_LOWERS) throw tooDeep(lowers.length, `the kernel takes at most ${MAX_LOWERS}`);
  if (flavour.byOption && others.every(([, value]) => Buffer.byteLength(value) <= MAX_VALUE_BYTES)) {
    return ["mount", ...highestFirst.flatMap((lower) => ["lowerdir+", lower]), ...others.flat()];
  }
  const page = [`lowerdir=${highestFirst.join(":")}`, ...others.map((option) => option.join("="))].join(",");
  if (Buffer.byteLength(page) < MAX_PAGE_BYTES) return ["mount-page", page];
  throw tooDeep(lowers.length, `at most ${MAX_PAGE_BYTES} bytes of mount options fit; use a shorter home path`);
}

function tooDeep(count: number, why: string): OpenComputerError {
  return new OpenComputerError(
    "unsupported",
    `an image of ${count} layers is too deep to mount: ${why}, or join steps`,
  );
}

/** Mounts an overlay at `target`, with relative lower directories looked up in `cwd`. */
export async function mountOverlay(hand: Hand, target: string, cwd: string, options: OverlayOptions): Promise<void> {
  const [verb, ...words] = overlayRequest(options);
  await hand.do(verb, target, cwd, ...words);
}

/**
 * Unmounts; what is not mounted is fine.
 *
 * @throws internal where something still uses it
 */
export async function unmount(hand: Hand, target: string): Promise<void> {
  await hand.do("unmount", target);
}

/** Unmounts everything below a directory, the deepest first. */
export async function unmountBelow(hand: Hand, dir: string): Promise<void> {
  const below = (await mountPoints()).filter((target) => target.startsWith(`${dir}/`));
  for (const target of below.reverse()) await unmount(hand, target);
}

/** All mount points of this mount namespace. */
async function mountPoints(): Promise<string[]> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).trimEnd().split("\n");
  return lines.map((line) => unescapeOctal(line.split(" ")[4] ?? ""));
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
