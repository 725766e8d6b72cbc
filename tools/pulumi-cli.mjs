import { realpathSync } from "node:fs";
import { readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { installTool, originOf } from "./cache.mjs";
import { ask, findProgram, run } from "./command.mjs";
import { buildGoTool } from "./go-tool.mjs";
import { interrupted } from "./interruption.mjs";
import { MINIMUM, PULUMI_VERSION } from "./pins.mjs";
import { say, step } from "./progress.mjs";
import { isAtLeast, parseVersion } from "./version-number.mjs";

const DOWNLOAD_TIMEOUT_MS = 10 * 60_000;
const FOLDER = `pulumi-${PULUMI_VERSION}`;
const LANGUAGE_HOST = "pulumi-language-nodejs";
const DYNAMIC_PLUGIN = "pulumi-resource-pulumi-nodejs";

/** Runs the dynamic provider that the program's own @pulumi/pulumi brings, from the program's folder. */
const DYNAMIC_PLUGIN_TEXT = `#!/bin/sh
script=$(node -p 'require.resolve("@pulumi/pulumi/cmd/dynamic-provider")') || exit 1
exec node "$script" "$@"
`;

/**
 * Looks for a Pulumi CLI that is new enough.
 *
 * @returns {Promise<{ ok: boolean, found?: string }>}
 */
export async function checkPulumi() {
  const path = findProgram("pulumi");
  if (!path) return { ok: false };
  const origin = originOf(path, FOLDER);
  if (origin !== "own") return { ok: origin === "pinned", found: `${path} (fetched, ${origin})` };
  const { ok, text } = await ask(path, ["version"], { env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" } });
  const version = parseVersion(text)?.join(".");
  return { ok: ok && isAtLeast(text, MINIMUM.pulumi), found: `${path} ${version ? `v${version}` : text}` };
}

/** Looks for the program that lets the CLI run TypeScript, beside the CLI or on PATH. */
export async function checkLanguageHost() {
  return checkPart(LANGUAGE_HOST);
}

/** Looks for the plugin that runs dynamic providers, beside the CLI or on PATH. */
export async function checkDynamicPlugin() {
  return checkPart(DYNAMIC_PLUGIN);
}

/** Fetches a CLI with both its parts: the vendor's release through npm, or where that fails built from Go modules. */
export async function providePulumi() {
  await installTool(FOLDER, ["pulumi", LANGUAGE_HOST, DYNAMIC_PLUGIN], async (folder) => {
    try {
      const title = `Fetching the Pulumi CLI v${PULUMI_VERSION} with npm: it runs the programs`;
      await step(title, (onLine) => download(folder, onLine));
    } catch (error) {
      interrupted.throwIfAborted();
      say(`  The release could not be downloaded (${lastLine(error)}), so it is built from its source instead.`);
      await buildGoTool(LANGUAGE_HOST, folder, "it lets the Pulumi CLI run TypeScript programs");
      await buildGoTool("pulumi", folder, "it runs the programs");
      await writeFile(join(folder, DYNAMIC_PLUGIN), DYNAMIC_PLUGIN_TEXT, { mode: 0o755 });
    }
  });
}

/** @param {string} name */
function checkPart(name) {
  const cli = findProgram("pulumi");
  const beside = cli && join(dirname(realpathSync(cli)), name);
  const found = [beside, findProgram(name)].find((path) => path && isThere(path));
  return found ? { ok: true, found } : { ok: false };
}

/** @param {string} path */
function isThere(path) {
  try {
    return Boolean(realpathSync(path));
  } catch {
    return false;
  }
}

/**
 * The npm package is a downloader: it puts the release into `PULUMI_HOME/versions/VERSION/bin`.
 *
 * @param {string} folder
 * @param {(line: string) => void} onLine
 */
async function download(folder, onLine) {
  const home = join(folder, "download");
  const args = ["exec", "--yes", `--package=pulumi@${PULUMI_VERSION}`, "--", "pulumi", "version"];
  const env = { PULUMI_HOME: home, PULUMI_VERSION, PULUMI_SKIP_UPDATE_CHECK: "true" };
  try {
    await run("npm", args, { cwd: folder, env, timeoutMs: DOWNLOAD_TIMEOUT_MS, onLine });
    const programs = join(home, "versions", PULUMI_VERSION, "bin");
    for (const name of await readdir(programs)) await rename(join(programs, name), join(folder, name));
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** @param {unknown} error */
function lastLine(error) {
  return String(error).trim().split("\n").at(-1)?.trim();
}
