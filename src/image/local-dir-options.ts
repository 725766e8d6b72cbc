import { z } from "zod";
import type { ReportProblem } from "./local-problems";

/** Which files of a local directory are added. */
export interface LocalDirOptions {
  /** What stays out, in gitignore syntax, beside what the directory's own ignore file says. Default: nothing. */
  readonly ignore?: readonly string[];
  /** What is added although other rules leave it out, in gitignore syntax. Default: nothing. */
  readonly include?: readonly string[];
  /**
   * Takes what links lead to where they lead out of the directory, instead of refusing them. Links that stay inside it
   * are links in the image, too. Default: false.
   */
  readonly followSymlinks?: boolean;
}

const patternsSchema = z.array(z.string(), { error: 'must be a list of patterns such as ["*.log", "build/"]' });

const localDirOptionsSchema = z.object({
  ignore: patternsSchema.optional(),
  include: patternsSchema.optional(),
  followSymlinks: z.boolean({ error: "must be true or false" }).optional(),
});

/** Checks what a program gave; reports what is wrong and goes on without it. */
export function parseLocalDirOptions(input: LocalDirOptions, report: ReportProblem): LocalDirOptions {
  const parsed = localDirOptionsSchema.safeParse(input);
  for (const issue of parsed.error?.issues ?? []) report(`the option ${issue.path.join(".")} ${issue.message}`);
  return parsed.data ?? {};
}
