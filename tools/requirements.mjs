import { existsSync } from "node:fs";
import { join } from "node:path";
import { PROJECT } from "./project.mjs";
import { REQUIREMENTS } from "./requirement-table.mjs";

/**
 * @typedef {import("./requirement-table.mjs").Purpose} Purpose
 * @typedef {import("./requirement-table.mjs").Finding} Finding
 * @typedef {import("./requirement-table.mjs").Requirement} Requirement
 * @typedef {Finding & { name: string, what: string, hint: string, required: boolean }} CheckedRequirement
 */

/**
 * Looks at the machine and changes nothing: the same list for `doctor`, `npm start` and `npm test`.
 *
 * @param {Purpose} [purpose] Default: `remote` where the environment names another server, else `local`.
 * @returns {Promise<CheckedRequirement[]>}
 */
export async function checkRequirements(purpose = purposeOf(process.env)) {
  const checks = REQUIREMENTS.map(async (requirement) => ({
    name: requirement.name,
    what: requirement.what,
    hint: toHint(requirement, purpose),
    required: requirement.neededFor.includes(purpose),
    ...(await requirement.check()),
  }));
  return Promise.all(checks);
}

/**
 * Another server needs no engine on this machine.
 *
 * @param {Readonly<Record<string, string | undefined>>} env
 * @returns {Purpose}
 */
export function purposeOf(env) {
  return env.OPENCOMPUTER_API_URL || env.OPENCOMPUTER_API_KEY ? "remote" : "local";
}

/**
 * A clone gets most of what it needs by itself; who only has the package gets it by hand.
 *
 * @param {Requirement} requirement
 * @param {Purpose} purpose
 */
function toHint({ hint, packages, provide, neededFor }, purpose) {
  const isClone = existsSync(join(PROJECT, "tsconfig.build.json"));
  return isClone && neededFor.includes(purpose) && (packages || provide) ? `npm start gets it; by hand: ${hint}` : hint;
}
