import { z } from "zod";
import type { StartCommandOptions } from "./image-manifest";
import type { LocalDirOptions } from "./local-dir-options";
import type { ReportProblem } from "./local-problems";
import type { FileOptions } from "./place";

/** What is wrong with their values is for the manifest's schema to say, which knows them by the same names. */
const fileFields = { mode: z.custom<FileOptions["mode"]>(), owner: z.custom<FileOptions["owner"]>() };
const fileOptionsSchema = z.strictObject(fileFields).partial();

const patternsSchema = z.array(z.string(), { error: 'must be a list of patterns such as ["*.log", "build/"]' });
const dirOptionsSchema = z
  .strictObject({
    ignore: patternsSchema,
    include: patternsSchema,
    followSymlinks: z.boolean({ error: "must be true or false" }),
    ...fileFields,
  })
  .partial();
const startOptionsSchema = z
  .strictObject({
    readyCommand: z.custom<StartCommandOptions["readyCommand"]>(),
    readyTimeoutSeconds: z.custom<StartCommandOptions["readyTimeoutSeconds"]>(),
  })
  .partial();

/** Checks what a program gave for a file; reports what is wrong and goes on without options. */
export function parseFileOptions(input: unknown, report: ReportProblem): FileOptions {
  return parseOptions(fileOptionsSchema, input, report);
}

/** Checks what a program gave for a directory; reports what is wrong and goes on without options. */
export function parseDirOptions(input: unknown, report: ReportProblem): LocalDirOptions & FileOptions {
  return parseOptions(dirOptionsSchema, input, report);
}

/** Checks what a program gave for a service; reports what is wrong and goes on without options. */
export function parseStartOptions(input: unknown, report: ReportProblem): StartCommandOptions {
  return parseOptions(startOptionsSchema, input, report);
}

function parseOptions<S extends z.ZodObject>(schema: S, input: unknown, report: ReportProblem): Partial<z.output<S>> {
  const parsed = schema.safeParse(input);
  for (const issue of parsed.error?.issues ?? []) report(describeIssue(issue, Object.keys(schema.shape)));
  return parsed.data ?? {};
}

function describeIssue(issue: z.core.$ZodIssue, known: readonly string[]): string {
  if (issue.code === "unrecognized_keys") {
    return `there is no option ${issue.keys.join(", ")}; there are ${known.join(", ")}`;
  }
  if (issue.path.length === 0) return `the options must be an object with any of ${known.join(", ")}`;
  return `the option ${issue.path.join(".")} ${issue.message}`;
}
