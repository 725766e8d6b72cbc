import type { Benchmark } from "./benchmark";
import { checkpoint } from "./questions/checkpoint";
import { cold } from "./questions/cold";
import { exec } from "./questions/exec";
import { files } from "./questions/files";
import { full } from "./questions/full";
import { hash } from "./questions/hash";
import { plan } from "./questions/plan";
import { rebuild } from "./questions/rebuild";
import { soak } from "./questions/soak";
import { tti } from "./questions/tti";

/** Every benchmark, in the order of the table. */
export const BENCHMARKS: readonly Benchmark[] = [tti, exec, files, rebuild, cold, checkpoint, full, soak, hash, plan];
