import { installTool } from "./cache.mjs";
import { buildGoTool } from "./go-tool.mjs";
import { BUILDKIT_VERSION } from "./pins.mjs";

const PROGRAMS = /** @type {const} */ (["buildkitd", "buildctl"]);

/** Builds BuildKit's daemon and client, which benchmarks run beside us; neither start nor tests need them. */
export async function provideBuildkit() {
  await installTool(`buildkit-${BUILDKIT_VERSION}`, PROGRAMS, async (folder) => {
    for (const name of PROGRAMS) await buildGoTool(name, folder, "images are built with it, too, to compare");
  });
}
