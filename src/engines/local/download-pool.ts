import { assertNever } from "../../errors";
import { sha256Hex, toCanonicalJson } from "../../image/hash";
import type { Step } from "../../image/image-manifest";

/**
 * Which steps may use what the others downloaded: those that stand on the same steps of the same base. Whatever stands
 * below a step may speak for apt and pip in it, and could plant what neither of them ever downloaded. Steps that bring
 * nothing but packages of the host's own archives, or nothing at all, do not count.
 *
 * @returns a name for the directory of what is kept
 */
export function downloadPool(before: readonly Step[]): string {
  return sha256Hex(toCanonicalJson(before.filter(mayTamper))).slice(0, 16);
}

function mayTamper(step: Step): boolean {
  switch (step.type) {
    case "run":
    case "env":
    case "pip_install":
    case "add_file":
    case "add_dir":
      return true;
    case "apt_install":
    case "workdir":
    case "start_command":
      return false;
    default:
      return assertNever(step);
  }
}
