import { expect, it } from "vitest";
import { z } from "zod";
import { createSandboxFieldsSchema, execRequestSchema } from "../../src/api/schemas";
import { isOpenComputerError, type Problem } from "../../src/errors";
import { manifestSchema, parseWith } from "../../src/image/manifest";

function problemsOf(schema: z.ZodType, input: unknown): string[] {
  try {
    parseWith(schema, input, "it");
    return [];
  } catch (error) {
    if (!isOpenComputerError(error)) throw error;
    return (error.details["problems"] as Problem[]).map(({ path, message }) => `${path}: ${message}`);
  }
}

const step = (type: string, args: unknown) => ({ base: "base", steps: [{ type, args }] });
const types = "apt_install, pip_install, run, env, workdir, add_file, add_dir, start_command";

it.each<[string, unknown, string]>([
  [
    "a value",
    step("workdir", { path: "w" }),
    'steps[0].args.path: must be an absolute path such as /workspace; got "w"',
  ],
  ["a wrong type", step("workdir", { path: 5 }), "steps[0].args.path: must be a string; got 5"],
  ["null", step("workdir", { path: null }), "steps[0].args.path: must be a string; got null"],
  ["nothing", step("workdir", {}), "steps[0].args.path: is missing; must be a string"],
  ["no list", step("apt_install", { packages: "jq" }), 'steps[0].args.packages: must be a list; got "jq"'],
  ["a list", step("workdir", { path: [] }), "steps[0].args.path: must be a string, not a list"],
  ["an unknown step", step("frob", {}), `steps[0].type: is no step type; expected one of ${types}; got "frob"`],
  ["a member too many", { base: "base", steps: [], x: 1 }, ': has what is not known here: "x"'],
  ["too little", { base: "base", steps: [], builderMemoryMB: 1 }, "builderMemoryMB: must be at least 256; got 1"],
  [
    "a long value",
    step("workdir", { path: "w".repeat(200) }),
    `steps[0].args.path: must be an absolute path such as /workspace; got "${"w".repeat(77)}…"`,
  ],
  [
    "a name",
    step("env", { vars: { "A-B": "s3cret" } }),
    "steps[0].args.vars.A-B: is no name that may stand here: it is not an environment variable name; expected letters, digits and _",
  ],
])("%s", (_name, input, expected) => {
  expect(problemsOf(manifestSchema, input)).toEqual([expected]);
});

it("of a text that was to be a number is the text", () => {
  expect(problemsOf(z.object({ port: z.coerce.number() }), { port: "abc" })).toEqual([
    'port: must be a number; got "abc"',
  ]);
});

it.each<[z.ZodType, unknown]>([
  [manifestSchema, step("env", { vars: { A: "s3cret\0" } })],
  [manifestSchema, step("env", { vars: "s3cret" })],
  [manifestSchema, step("run", { commands: "s3cret" })],
  [manifestSchema, step("start_command", { command: "s3cret\0", readyCommand: "s3cret\0" })],
  [manifestSchema, step("pip_install", { packages: ["ssh://user:s3cret@host/x"] })],
  [z.strictObject(createSandboxFieldsSchema), { envs: "s3cret" }],
  [execRequestSchema, { cmd: "x", args: "s3cret" }],
  [execRequestSchema, { cmd: ["s3cret"] }],
  [z.object({ apiKey: z.string().max(2) }), { apiKey: "s3cret" }],
  [z.object({ files: z.array(z.object({ content: z.base64() })) }), { files: [{ content: "s3cret" }] }],
])("a secret is not shown: %#", (schema, input) => {
  const problems = problemsOf(schema, input);
  expect(problems).not.toEqual([]);
  expect(problems.join()).not.toContain("s3cret");
});
