import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { cacheFolders } from "./cache.mjs";
import { childEnv } from "./command.mjs";
import { PROJECT } from "./project.mjs";

/** The stack of `npm start`. */
export const STACK = "dev";

/**
 * @typedef {Readonly<Record<string, string | undefined>>} Env
 */

/** What the CLI needs to run the quickstart without a question: the user's own settings win over every line. */
export function pulumiEnvironment() {
  const env = childEnv();
  return {
    ...env,
    ...pulumiDefaults(env, { cache: cacheFolders().root, project: PROJECT, isLoggedIn: isLoggedIn(env) }),
  };
}

/**
 * What to do where the stack was made with another passphrase than the environment's.
 *
 * @param {Env} env What the CLI saw.
 */
export function explainPassphrase(env) {
  const names = ["PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"];
  const unset = names.map((name) => `-u ${name}`).join(" ");
  return [
    `Stack ${STACK} (backend ${env.PULUMI_BACKEND_URL ?? "that you are logged in to"}, settings Pulumi.${STACK}.yaml) was`,
    "made with another passphrase than PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE says here. Set that one, or",
    "let the quickstart use a backend and a passphrase of its own, in this folder:",
    `  mv Pulumi.${STACK}.yaml Pulumi.${STACK}.yaml.bak; env ${unset} npm start`,
  ].join("\n");
}

/** What any use of the CLI here wants: no questions to the vendor, no downloads of plugins. */
export function quietPulumi() {
  return { PULUMI_SKIP_UPDATE_CHECK: "true", PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" };
}

/**
 * The settings that the user has not made. Someone who is logged in to a backend keeps it; everybody else gets one in
 * the project's `.pulumi` folder.
 *
 * @param {Env} env
 * @param {{ cache: string, project: string, isLoggedIn: boolean }} facts
 * @returns {Record<string, string>}
 */
export function pulumiDefaults(env, { cache, project, isLoggedIn }) {
  const ownBackend = Boolean(env.PULUMI_BACKEND_URL) || isLoggedIn;
  const hasPassphrase = env.PULUMI_CONFIG_PASSPHRASE !== undefined || env.PULUMI_CONFIG_PASSPHRASE_FILE !== undefined;
  const defaults = {
    ...quietPulumi(),
    PULUMI_STACK: STACK,
    ...(env.PULUMI_HOME || isLoggedIn ? {} : { PULUMI_HOME: join(cache, "pulumi") }),
    ...(ownBackend ? {} : { PULUMI_BACKEND_URL: pathToFileURL(project).href }),
    ...(ownBackend || hasPassphrase ? {} : { PULUMI_CONFIG_PASSPHRASE: "quickstart" }),
  };
  return Object.fromEntries(Object.entries(defaults).filter(([name]) => !env[name]));
}

/** @param {Env} env */
function isLoggedIn(env) {
  const file = join(env.PULUMI_HOME || join(homedir(), ".pulumi"), "credentials.json");
  if (!existsSync(file)) return false;
  try {
    return Boolean(JSON.parse(readFileSync(file, "utf8")).current);
  } catch {
    return false;
  }
}
