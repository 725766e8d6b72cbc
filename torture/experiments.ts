import type { Experiment } from "./experiment";
import { abuse } from "./experiments/abuse";
import { hogs } from "./experiments/hogs";

/** All of them, in the order in which `npm run torture` runs them and docs/reliability.md tells of them. */
export const EXPERIMENTS: readonly Experiment[] = [abuse, hogs];
