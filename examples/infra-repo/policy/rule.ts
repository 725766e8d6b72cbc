import type { EnforcementLevel, PolicyConfigSchema, ResourceValidationPolicy } from "@pulumi/policy";
import { type Declaration, declarationOf, kindOf } from "./declared-inputs";

/** A policy as data and one pure function, so that it can be tested without Pulumi. */
export interface Rule<Config extends object> {
  readonly name: string;
  readonly description: string;
  /** Default: the pack's, mandatory. */
  readonly enforcementLevel?: EnforcementLevel;
  readonly configSchema?: PolicyConfigSchema;
  /** What is wrong with the resource, one message each, with what to do. */
  check(declared: Declaration, config: Config): string[];
}

/** The rule in Pulumi's form. What could not be read is a violation: a policy that sees nothing must not say yes. */
export function toPolicy<Config extends object>(rule: Rule<Config>): ResourceValidationPolicy {
  const { check, ...about } = rule;
  return {
    ...about,
    validateResource: (args, reportViolation) => {
      if (kindOf(args.type) === undefined) return;
      const declared = declarationOf(args.urn);
      if (declared === undefined) {
        reportViolation("the inputs could not be read: leave the policy read-inputs at its level, remediate");
        return;
      }
      for (const message of check(declared, args.getConfig<Config>())) reportViolation(message);
    },
  };
}
