import { provideDist } from "./dist.mjs";
import { provideNodeModules } from "./node-modules.mjs";
import { findPackageManager, installPackages } from "./package-manager.mjs";
import { REQUIREMENTS } from "./requirement-table.mjs";
import { checkRequirements, purposeOf } from "./requirements.mjs";

/**
 * @typedef {import("./requirement-table.mjs").Purpose} Purpose
 * @typedef {import("./requirement-table.mjs").Requirement} Requirement
 */

/**
 * Makes the machine ready: npm packages, what the requirements name, compiled code. A machine that has all of it is
 * only looked at.
 *
 * @param {Purpose} [purpose] Default: by the environment, as `checkRequirements`.
 * @throws with one message that names all that is missing and how to get it.
 */
export async function provide(purpose = purposeOf(process.env)) {
  await provideRequirements(purpose);
  await provideNodeModules();
  await provideDist();
}

/**
 * The part of `provide` that is about the machine.
 *
 * @param {Purpose} purpose
 */
export async function provideRequirements(purpose) {
  let missing = await findMissing(purpose);
  if (missing.length === 0) return;
  refuseHopeless(missing);
  await installMissing(missing);
  missing = await findMissing(purpose);
  for (const provideOne of new Set(missing.map(({ provide }) => provide))) await provideOne?.();
  missing = await findMissing(purpose);
  if (missing.length > 0) throw new Error(describeMissing(missing));
}

/**
 * @param {Purpose} purpose
 * @returns {Promise<Requirement[]>}
 */
async function findMissing(purpose) {
  const checked = await checkRequirements(purpose);
  return REQUIREMENTS.filter((_, index) => checked[index]?.required && !checked[index].ok);
}

/**
 * Minutes of building are no use to someone who lacks what cannot be fetched.
 *
 * @param {readonly Requirement[]} missing
 */
function refuseHopeless(missing) {
  const hopeless = missing.filter(({ packages, provide }) => !packages && !provide);
  if (hopeless.length > 0) throw new Error(describeMissing(hopeless));
}

/** @param {readonly Requirement[]} missing */
async function installMissing(missing) {
  const manager = findPackageManager();
  if (!manager) return;
  const packages = new Set(missing.flatMap((requirement) => requirement.packages?.[manager.name] ?? []));
  if (packages.size > 0) await installPackages(manager, [...packages]);
}

/** @param {readonly Requirement[]} missing */
export function describeMissing(missing) {
  const lines = missing.map(({ name, what, hint }) => `  ${name} (${what}): ${hint}`);
  return [`This machine lacks ${missing.map(({ name }) => name).join(", ")}:`, ...lines].join("\n");
}
