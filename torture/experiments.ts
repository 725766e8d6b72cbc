import type { Experiment } from "./experiment";
import { abuse } from "./experiments/abuse";
import { archives } from "./experiments/archives";
import { clocks } from "./experiments/clocks";
import { corruption } from "./experiments/corruption";
import { crowds } from "./experiments/crowds";
import { escapes } from "./experiments/escapes";
import { flakes } from "./experiments/flakes";
import { fullDisk } from "./experiments/full-disk";
import { hogs } from "./experiments/hogs";
import { kills } from "./experiments/kills";
import { links } from "./experiments/links";
import { power } from "./experiments/power";
import { reach } from "./experiments/reach";
import { twoServers } from "./experiments/two-servers";

/** All of them, in the order in which `npm run torture` runs them and docs/reliability.md tells of them. */
export const EXPERIMENTS: readonly Experiment[] = [
  kills,
  twoServers,
  power,
  fullDisk,
  corruption,
  clocks,
  abuse,
  crowds,
  flakes,
  hogs,
  escapes,
  reach,
  links,
  archives,
];
