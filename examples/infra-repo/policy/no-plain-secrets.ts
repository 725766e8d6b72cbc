import type { DeclaredImage } from "./declared-inputs";
import type { Rule } from "./rule";

const NAMES = "(^|_)(TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$";

/**
 * What a name says is a secret has to be one: `config.requireSecret`, `pulumi.secret`. In an image it may not be at all,
 * as everybody who starts a sandbox from it could read it.
 */
export const noPlainSecrets: Rule<{ names?: string }> = {
  name: "no-plain-secrets",
  description: "Environment variables that sound secret are secret, and belong to a sandbox and not to its image.",
  configSchema: { properties: { names: { type: "string", default: NAMES } } },
  check({ image, envs }, { names = NAMES }) {
    const sensitive = new RegExp(names, "i");
    const plain = envs.filter(({ name, secret }) => sensitive.test(name) && !secret);
    const baked = variablesOf(image).filter((name) => sensitive.test(name));
    return [
      ...plain.map(({ name }) => `envs.${name} is not secret: take it from config.requireSecret or pulumi.secret`),
      ...baked.map((name) => `the image sets ${name}: secrets go into the envs of a sandbox`),
    ];
  },
};

function variablesOf(image: DeclaredImage | undefined): string[] {
  const steps = image?.steps.filter(({ type }) => type === "env") ?? [];
  return steps.flatMap(({ args }) => Object.keys(args["vars"] ?? {}));
}
