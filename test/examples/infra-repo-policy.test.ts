import { Secret } from "@pulumi/policy";
import { describe, expect, it } from "vitest";
import { type Declaration, kindOf, readInputs, toDeclaration } from "../../examples/infra-repo/policy/declared-inputs";
import { imageLimits } from "../../examples/infra-repo/policy/image-limits";
import { noPlainSecrets } from "../../examples/infra-repo/policy/no-plain-secrets";
import { pinnedBase } from "../../examples/infra-repo/policy/pinned-base";
import { pinnedPackages } from "../../examples/infra-repo/policy/pinned-packages";
import { toPolicy } from "../../examples/infra-repo/policy/rule";
import { sandboxTimeout } from "../../examples/infra-repo/policy/sandbox-timeout";
import { Image } from "../../src/image/image";

/** The rules of the example's policy pack; the same pack runs in the real CLI in infra-repo.e2e.test.ts. */

const DYNAMIC = "pulumi-nodejs:dynamic/opencomputer";
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** A snapshot as the dynamic provider's hidden input declares it. */
const snapshot = (image: Image): Declaration =>
  toDeclaration("Snapshot", { __source: JSON.stringify({ urn: "urn:1", manifest: image.toJSON() }) });
const sandbox = (inputs: Record<string, unknown>): Declaration => toDeclaration("Sandbox", inputs);
const based = (base: string): Declaration => toDeclaration("Snapshot", { image: { base, steps: [] } });
const pip = (...packages: string[]) => snapshot(Image.base().pipInstall(packages));
const apt = (...packages: string[]) => snapshot(Image.base().aptInstall(packages));

describe("what a policy reads", () => {
  it("tells our resources by their types, from either provider", () => {
    const types = [`${DYNAMIC}:Snapshot`, "opencomputer:index:Sandbox", "aws:s3:Bucket", `${DYNAMIC}:Snapshots`];
    expect(types.map(kindOf)).toEqual(["Snapshot", "Sandbox", undefined, undefined]);
  });

  it("knows an image from the hidden input, also a secret one, and from the native plugin's", () => {
    const image = Image.base().workdir("/w");
    const source = JSON.stringify({ manifest: image.toJSON() });
    const forms = [{ __source: source }, { __source: new Secret(source) }, { image: image.toJSON() }];
    for (const form of forms) expect(toDeclaration("Snapshot", form).image?.steps).toEqual(image.toJSON().steps);
  });

  it("tells secret variables from plain ones, also where all of them are one secret", () => {
    const { envs } = sandbox({ envs: { A: "1", B: new Secret("2"), C: UNKNOWN } });
    expect(envs.filter(({ secret }) => secret).map(({ name }) => name)).toEqual(["B"]);
    expect(sandbox({ envs: new Secret({ A: "1" }) }).envs).toEqual([{ name: "A", secret: true }]);
  });

  it("leaves out what is not known yet", () => {
    expect(toDeclaration("Snapshot", { __source: UNKNOWN })).toEqual({ kind: "Snapshot", envs: [] });
    expect(sandbox({ timeout: UNKNOWN }).timeout).toBe("unknown");
  });
});

const digest = "a".repeat(64);
const commit = "b".repeat(40);

/** One row a case; `says` is what each message must contain, in order. */
type Case = readonly [what: string, messages: string[], says: readonly string[]];
const CASES: readonly Case[] = [
  ["the server's base", pinnedBase.check(based("base"), {}), []],
  ["the server's base, not allowed", pinnedBase.check(based("base"), { allowServerBase: false }), ["the base is base"]],
  ["a base by its digest", pinnedBase.check(based(`ghcr.io/a/b@sha256:${digest}`), {}), []],
  ["a base by its tag", pinnedBase.check(based("ghcr.io/a/b:latest"), {}), ["ghcr.io/a/b:latest"]],
  ["no image", pinnedBase.check(sandbox({}), {}), []],

  ["pip packages with versions", pinnedPackages.check(pip("a==1.0", "b[c]===2", "d==1; python_version<'4'"), {}), []],
  ["pip packages by bytes", pinnedPackages.check(pip(`a @ https://x.io/a.whl#sha256=${digest}`), {}), []],
  ["pip packages by commit", pinnedPackages.check(pip(`git+https://x.io/a@${commit}`), {}), []],
  [
    "pip packages without",
    pinnedPackages.check(pip("a", "b>=1,<2", "c==1.*", "d==1.0"), {}),
    ["a, b>=1,<2, c==1.*; write"],
  ],
  ["a moving branch", pinnedPackages.check(pip("git+https://x.io/a@main"), {}), ["git+https://x.io/a@main"]],
  ["pip packages where they may float", pinnedPackages.check(pip("a"), { pip: false }), []],
  ["apt packages without versions", pinnedPackages.check(apt("jq"), {}), []],
  ["apt packages where they must not float", pinnedPackages.check(apt("jq", "rg=1"), { apt: true }), ["version: jq;"]],
  [
    "many pip packages",
    pinnedPackages.check(pip(...Array.from({ length: 50 }, (_, i) => `package-${i}`)), {}),
    ["-49"],
  ],

  ["a plain token", noPlainSecrets.check(sandbox({ envs: { API_TOKEN: "x" } }), {}), ["envs.API_TOKEN"]],
  ["a secret token", noPlainSecrets.check(sandbox({ envs: { API_TOKEN: new Secret("x") } }), {}), []],
  [
    "names by their last word",
    noPlainSecrets.check(sandbox({ envs: { KEYBOARD: "x", db_password: "y" } }), {}),
    ["db_"],
  ],
  ["other names", noPlainSecrets.check(sandbox({ envs: { PIN: "1" } }), { names: "^PIN$" }), ["envs.PIN"]],
  ["a token in an image", noPlainSecrets.check(snapshot(Image.base().env({ A_KEY: "x", B: "y" })), {}), ["sets A_KEY"]],

  ["a timeout", sandboxTimeout.check(sandbox({ timeout: 60 }), {}), []],
  ["no timeout", sandboxTimeout.check(sandbox({}), {}), ["never sleeps"]],
  ["a timeout of 0", sandboxTimeout.check(sandbox({ timeout: 0 }), {}), ["never sleeps"]],
  ["a long timeout", sandboxTimeout.check(sandbox({ timeout: 90 }), { maxSeconds: 60 }), ["90 seconds; at most 60"]],
  ["a timeout that is not known yet", sandboxTimeout.check(sandbox({ timeout: UNKNOWN }), {}), []],
  ["a snapshot", sandboxTimeout.check(pip("a==1"), {}), []],

  ["few steps", imageLimits.check(pip("a==1"), { maxSteps: 1 }), []],
  ["many steps", imageLimits.check(snapshot(Image.base().workdir("/a").workdir("/b")), { maxSteps: 1 }), ["2 steps"]],
  [
    "many files",
    imageLimits.check(snapshot(Image.base().addFile("/a", "").addFile("/b", "")), { maxFiles: 1 }),
    ["2 f"],
  ],
  [
    "a directory that the manifest does not list",
    imageLimits.check(
      toDeclaration("Snapshot", { image: { steps: [{ type: "add_dir", args: { tree: `sha256:${digest}` } }] } }),
      { maxFiles: 200 },
    ),
    ["at least 201 files"],
  ],
];

describe("what the rules say", () => {
  it.each(CASES)("%s", (_what, messages, says) => {
    expect(messages).toHaveLength(says.length);
    for (const [index, part] of says.entries()) expect(messages[index]).toContain(part);
  });
});

describe("a rule as a policy", () => {
  const policy = toPolicy(sandboxTimeout);

  /** What the policy reports of a resource of this URN. */
  async function violations(urn: string, type = `${DYNAMIC}:Sandbox`): Promise<string[]> {
    const reported: string[] = [];
    const validate = policy.validateResource;
    if (typeof validate !== "function") throw new Error("one function is expected");
    const args = { type, urn, props: {}, getConfig: () => ({}) };
    // Pulumi hands over more, which this policy does not look at.
    await validate(args as unknown as Parameters<typeof validate>[0], (message) => reported.push(String(message)));
    return reported;
  }

  it("reports nothing of other resources", async () => {
    expect(await violations("urn:other", "aws:s3:Bucket")).toEqual([]);
  });

  it("does not say yes to what it could not read", async () => {
    expect(await violations("urn:unread")).toEqual([expect.stringContaining("read-inputs")]);
  });

  it("judges what was read", async () => {
    const args = { type: `${DYNAMIC}:Sandbox`, urn: "urn:read", props: { timeout: 0 } };
    await readInputs.remediateResource?.(
      args as unknown as Parameters<NonNullable<typeof readInputs.remediateResource>>[0],
    );
    expect(await violations("urn:read")).toEqual([expect.stringContaining("never sleeps")]);
  });
});
