import { sha256Hex, toCanonicalJson } from "./hash";
import type { Step } from "./image-manifest";
import { summariseStep } from "./step";

/** A step as a plan shows it. */
export interface StepDescription {
  readonly op: string;
  readonly summary: string;
  /** 16 hex digits that change whenever the step does. */
  readonly digest: string;
}

/** Long enough for the packages of a large image: what a summary cuts off, no diff can show. */
const MAX_SUMMARY_LENGTH = 2_000;

/** Describes a step for plans and diffs. */
export function describeStep(step: Step): StepDescription {
  const digest = sha256Hex(toCanonicalJson(step)).slice(0, 16);
  return { op: step.type, summary: summariseStep(step, MAX_SUMMARY_LENGTH), digest };
}
