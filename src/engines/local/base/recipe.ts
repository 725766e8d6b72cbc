import { sha256Hex, toCanonicalJson } from "../../../image/hash";
import type { AptEntry } from "./apt-entry";
import { FINISHING_VERSION } from "./finishing";

/** What every way to make a base gets. */
export interface BaseContext {
  readonly hostEnv: Readonly<Record<string, string | undefined>>;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** How one base is made, and what determines the outcome. */
export interface BaseRecipe {
  /** 24 hex digits over everything that determines what is made; equal ids are made once. */
  readonly id: string;
  /** Said before it starts: what takes long. */
  readonly announcement: string;
  /** What follows the name of the system in the description, for example `, from tar:/tmp/x.tar`. */
  readonly remark: string;
  /** What goes into the base's `sources.list`; undefined keeps its own. */
  readonly aptSources: readonly AptEntry[] | undefined;
  /** Fills `rootfs`, which does not exist yet, with natural owners; `workDir` is an empty directory for its own use. */
  readonly make: (rootfs: string, workDir: string, context: BaseContext) => Promise<void>;
}

/** The id of a recipe: of what goes in and of the finishing step that follows. */
export function recipeId(input: Readonly<Record<string, unknown>>): string {
  return sha256Hex(toCanonicalJson({ ...input, finishing: FINISHING_VERSION })).slice(0, 24);
}
