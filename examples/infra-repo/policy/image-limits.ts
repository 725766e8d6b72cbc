import type { Step } from "./declared-inputs";
import type { Rule } from "./rule";

/** A manifest lists a directory of more entries by the digest of its list alone. */
const MOST_LISTED = 200;

/** Images stay small enough to build and to read. Bytes are not in a manifest; the library limits those itself. */
export const imageLimits: Rule<{ maxSteps?: number; maxFiles?: number }> = {
  name: "image-limits",
  description: "Images have few steps and few files.",
  enforcementLevel: "advisory",
  configSchema: {
    properties: {
      maxSteps: { type: "integer", minimum: 1, default: 40 },
      maxFiles: { type: "integer", minimum: 0, default: 1_000 },
    },
  },
  check({ image }, { maxSteps = 40, maxFiles = 1_000 }) {
    const steps = image?.steps ?? [];
    const files = steps.reduce((sum, step) => sum + countFiles(step), 0);
    return [
      ...(steps.length > maxSteps ? [`the image has ${steps.length} steps; at most ${maxSteps} are allowed`] : []),
      ...(files > maxFiles ? [`the image adds at least ${files} files; at most ${maxFiles} are allowed`] : []),
    ];
  },
};

function countFiles({ type, args }: Step): number {
  if (type === "add_file") return 1;
  if (type !== "add_dir") return 0;
  return Array.isArray(args["entries"]) ? args["entries"].length : MOST_LISTED + 1;
}
