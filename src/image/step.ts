import { z } from "zod";
import { assertNever } from "../errors";
import type { AddDirArgs, DirEntry, Step } from "./image-manifest";

/**
 * The steps of a manifest, one schema each. They are the wire's steps (`{type, args}`) in canonical form: files stand
 * by digest, never by content. The schemas are closed: an unknown member is an error, not a surprise later.
 */

/** The most steps an image may have: each is a layer, and an overlay mount names every layer. */
export const MAX_STEPS = 100;

const noControl = (value: string) => !/[\0\r\n]/.test(value);

/** An absolute, normalised POSIX path: no `..`, no NUL, nothing under the kernel's own trees. */
export const absolutePathSchema = z
  .string()
  .refine((path) => path.startsWith("/"), { error: "must be an absolute path such as /workspace", abort: true })
  .refine((path) => !path.includes("\0"), "must not contain a NUL byte")
  .refine((path) => !path.split("/").includes(".."), "must not contain '..'")
  .refine((path) => !/^\/+(proc|sys|dev)(\/|$)/.test(path), "must not be under /proc, /sys or /dev")
  .transform(normalisePath);

/** An apt package: name, optional `:architecture`, optional `=version` or `/release` (deb-version(7), apt-get(8)). */
export const aptPackageSchema = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?([=/][A-Za-z0-9.+:~-]+)?$/,
    "is not an apt package; expected a name such as jq, jq=1.6-2.1 or libc6:amd64",
  );

/** A pip requirement: PEP 508 (`name[extra]>=1; marker`, `name @ url`) or a plain `https:` or `git+https:` URL. */
export const pipPackageSchema = z
  .string()
  .refine(noControl, "must be on one line")
  .refine(
    (value) =>
      /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\s*(\[[A-Za-z0-9._,\s-]*\])?\s*($|[<>=!~;@(])/.test(value) ||
      /^(git\+)?https?:\/\/\S+$/.test(value),
    "is not a pip requirement; expected one such as pandas, pandas>=2,<3 or uvicorn[standard]==0.30.1",
  );

export const envNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9_]+$/, "is not an environment variable name; expected letters, digits and _");

/** A map of environment variables; values may hold anything but NUL, quotes and newlines included. */
export const envSchema = z.record(
  envNameSchema,
  z.string().refine((value) => !value.includes("\0"), "must not contain a NUL byte"),
);

/** `sha256:` and 64 lower-case hex digits. */
export const digestSchema = z.string().regex(/^sha256:[0-9a-f]{64}$/, "is not a digest; expected sha256:<64 hex>");

const relativePathSchema = z
  .string()
  .min(1)
  .refine((path) => !path.startsWith("/") && !path.includes("\0"), "must be a relative path")
  .refine(
    (path) => path.split("/").every((part) => part !== "" && part !== "." && part !== ".."),
    "must not contain empty, '.' or '..' parts",
  );

/** What a directory holds. Only empty directories stand on their own; the others follow from their files. */
export const dirEntrySchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("file"),
    path: relativePathSchema,
    digest: digestSchema,
    executable: z.boolean().default(false),
  }),
  z.strictObject({ kind: z.literal("link"), path: relativePathSchema, target: z.string().min(1) }),
  z.strictObject({ kind: z.literal("dir"), path: relativePathSchema }),
]) satisfies z.ZodType<DirEntry>;

/** Up to here a directory's entries stand in the manifest itself; more stand in a tree (tree.ts). */
export const MAX_INLINE_ENTRIES = 200;

/** A directory's entries in canonical order (by the bytes of their paths), each path once. */
export const dirEntriesSchema = z
  .array(dirEntrySchema)
  .transform((entries) => [...entries].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path))))
  .refine(
    (entries) => entries.every((entry, index) => entry.path !== entries[index - 1]?.path),
    "must not name a path twice",
  );

/** What `mode` and `owner` say; absent, the executable bit and the directory that the entry is put into decide. */
const ownershipSchema = {
  mode: z
    .string()
    .regex(/^[0-7]{4}$/, 'must be four octal digits such as "0640"')
    .optional(),
  owner: z
    .string()
    .regex(/^([a-z_][a-z0-9_-]*|\d{1,9})(:([a-z_][a-z0-9_-]*|\d{1,9}))?$/, "must be a user, user:group, uid or uid:gid")
    .optional(),
};

/** The entries of a directory, or the tree that holds them; never both. */
const dirArgsSchema = z
  .strictObject({
    path: absolutePathSchema,
    entries: dirEntriesSchema
      .refine(({ length }) => length <= MAX_INLINE_ENTRIES, `holds more than ${MAX_INLINE_ENTRIES} entries; use a tree`)
      .optional(),
    tree: digestSchema.optional(),
    ...ownershipSchema,
  })
  .refine(({ entries, tree }) => (entries === undefined) !== (tree === undefined), "must have either entries or a tree")
  .transform(({ entries, tree, ...rest }) => (entries ? { ...rest, entries } : { ...rest, tree: tree ?? "" }));

const step = <T extends string, A extends z.ZodRawShape>(type: T, args: A) =>
  z.strictObject({ type: z.literal(type), args: z.strictObject(args) });

export const stepSchema = z.discriminatedUnion("type", [
  step("apt_install", { packages: z.array(aptPackageSchema) }),
  step("pip_install", { packages: z.array(pipPackageSchema) }),
  step("run", { commands: z.array(z.string().min(1, "must not be empty")) }),
  step("env", { vars: envSchema }),
  step("workdir", { path: absolutePathSchema }),
  step("add_file", {
    path: absolutePathSchema,
    digest: digestSchema,
    executable: z.boolean().default(false),
    ...ownershipSchema,
  }),
  z.strictObject({ type: z.literal("add_dir"), args: dirArgsSchema }),
]) satisfies z.ZodType<Step>;

/**
 * One short line for people: `pip_install pandas polars==1.9`.
 * Values of environment variables are left out: a log is no place for them.
 */
export function summariseStep(step: Step): string {
  return shorten(`${step.type} ${describeArgs(step)}`.trimEnd());
}

function describeArgs(step: Step): string {
  switch (step.type) {
    case "apt_install":
    case "pip_install":
      return step.args.packages.join(" ");
    case "run":
      return step.args.commands.join(" && ");
    case "env":
      return Object.keys(step.args.vars).sort().join(" ");
    case "workdir":
    case "add_file":
      return step.args.path;
    case "add_dir":
      return `${step.args.path} (${countFiles(step.args)})`;
    default:
      return assertNever(step);
  }
}

function countFiles(args: AddDirArgs): string {
  if ("tree" in args) return `more than ${MAX_INLINE_ENTRIES} entries`;
  const files = args.entries.filter((entry) => entry.kind === "file").length;
  return files === 1 ? "1 file" : `${files} files`;
}

function shorten(text: string): string {
  const oneLine = text.replace(/\s+/g, " ");
  return oneLine.length <= 100 ? oneLine : `${oneLine.slice(0, 99)}…`;
}

function normalisePath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  return `/${parts.join("/")}`;
}
