import { z } from "zod";

/** `sha256:` and 64 lower-case hex digits. */
export const digestSchema = z.string().regex(/^sha256:[0-9a-f]{64}$/, "is not a digest; expected sha256:<64 hex>");

/** Stands where bytes could not be had, so that the rest of an image can still be checked. */
export const NO_DIGEST = `sha256:${"0".repeat(64)}`;
