import { readFile } from "node:fs/promises";
import { OpenComputerError } from "../../errors";
import { runCommand } from "./command";

/** Overlay mounts: frozen layers below, one writable directory on top. */

export interface OverlayOptions {
  /** Directories of the layers, lowest first, relative to the directory the mount is made in. */
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
  /** Keeps the kernel from writing an identity of its own into the upper directory; kernels before 6.6 know it not. */
  readonly uuidNull: boolean;
}

/** mount(2) takes one page of options and cuts off the rest in silence; the kernel itself needs some of it. */
const MAX_OPTIONS_BYTES = 4096 - 512;

/**
 * The option string of an overlay mount. Nothing in a layer may redirect a look-up elsewhere, so that a layer means the
 * same on every stack.
 *
 * @throws unsupported where the stack is too deep for one mount
 */
export function overlayOptions({ lowers, upper, work, uuidNull }: OverlayOptions): string {
  const options = [
    // The kernel wants the highest first.
    `lowerdir=${[...lowers].reverse().join(":")}`,
    `upperdir=${upper}`,
    `workdir=${work}`,
    "redirect_dir=nofollow",
    "metacopy=off",
    "index=off",
    ...(uuidNull ? ["uuid=null"] : []),
  ].join(",");
  if (Buffer.byteLength(options) < MAX_OPTIONS_BYTES) return options;
  const advice = `at most ${MAX_OPTIONS_BYTES} bytes of mount options fit; join some steps, or use a shorter home path`;
  throw new OpenComputerError("unsupported", `an image of ${lowers.length} layers is too deep to mount: ${advice}`);
}

/** Mounts an overlay at `target`, with relative lower directories looked up in `cwd`. */
export async function mountOverlay(target: string, cwd: string, options: OverlayOptions): Promise<void> {
  const argv = ["-t", "overlay", "overlay", "-o", overlayOptions(options), target];
  // mount(8) from 2.39 on hands each option over on its own, and the kernel takes at most 255 bytes of that.
  await runCommand("mount", argv, { cwd, env: { LIBMOUNT_FORCE_MOUNT2: "always" } });
}

/**
 * Unmounts; what is not mounted is fine.
 *
 * @throws internal where something still uses it
 */
export async function unmount(target: string): Promise<void> {
  if ((await mountPoints()).includes(target)) await runCommand("umount", [target]);
}

/** Unmounts everything below a directory, the deepest first. */
export async function unmountBelow(dir: string): Promise<void> {
  const below = (await mountPoints()).filter((target) => target.startsWith(`${dir}/`));
  for (const target of below.reverse()) await runCommand("umount", [target]);
}

/** All mount points of this mount namespace. */
async function mountPoints(): Promise<string[]> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).trimEnd().split("\n");
  return lines.map((line) => unescapeOctal(line.split(" ")[4] ?? ""));
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
