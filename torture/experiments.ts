import type { Experiment } from "./experiment";

/** All of them, in the order in which `npm run torture` runs them and docs/reliability.md tells of them. */
export const EXPERIMENTS: readonly Experiment[] = [];
