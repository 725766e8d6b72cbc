import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask, findProgram, run } from "./command.mjs";
import { aptCandidate, findPackageManager, installPackages } from "./package-manager.mjs";
import { GO_TOOLS, MINIMUM } from "./pins.mjs";
import { step } from "./progress.mjs";
import { isAtLeast } from "./version-number.mjs";

const FETCH_TIMEOUT_MS = 15 * 60_000;
const BUILD_TIMEOUT_MS = 45 * 60_000;
const GO_PACKAGES = { apt: ["golang-go"], dnf: ["golang"], pacman: ["go"], apk: ["go"] };

/**
 * Builds one of the pinned programs from Go modules into `folder`.
 *
 * @param {keyof typeof GO_TOOLS} name
 * @param {string} folder
 * @param {string} purpose Ends the step's title: why it is built.
 * @param {Readonly<Record<string, string>>} [env] What this machine's compiler has to know in addition.
 */
export async function buildGoTool(name, folder, purpose, env = {}) {
  const tool = GO_TOOLS[name];
  const go = await provideGo(name);
  const workspace = await mkdtemp(join(tmpdir(), `${name}-`));
  const options = { cwd: workspace, env: { GOWORK: "off", GO111MODULE: "on", ...tool.env, ...env } };
  try {
    await step(
      `Building ${name} ${tool.version} from Go modules (${tool.takes} at first): ${purpose}`,
      async (onLine) => {
        await run(go, ["mod", "init", "tools"], { ...options, timeoutMs: 60_000 });
        await run(go, ["get", `${tool.package}@${tool.version}`], { ...options, timeoutMs: FETCH_TIMEOUT_MS, onLine });
        const tags = tool.tags ? ["-tags", tool.tags] : [];
        const ldflags = tool.ldflags ? ["-ldflags", tool.ldflags] : [];
        const args = ["build", "-v", "-mod=mod", ...tags, ...ldflags, "-o", join(folder, name), tool.package];
        await run(go, args, { ...options, timeoutMs: BUILD_TIMEOUT_MS, onLine });
      },
    );
  } finally {
    await rm(workspace, { recursive: true, force: true });
  }
}

/**
 * A Go that is new enough: the user's, else the distribution's.
 *
 * @param {string} name What it is for.
 */
async function provideGo(name) {
  const found = await findGo();
  if (found.path) return found.path;
  const manager = findPackageManager();
  const candidate = await aptCandidate(manager, "golang-go");
  if (manager && (manager.name !== "apt" || isAtLeast(candidate ?? "", MINIMUM.go))) {
    await installPackages(manager, GO_PACKAGES[manager.name]);
    const installed = await findGo();
    if (installed.path) return installed.path;
  }
  const offer = candidate ? `; this distribution has only ${candidate}` : "";
  throw new Error(
    `${name} has to be built from Go modules, which needs Go ${MINIMUM.go} or newer; found ${found.words}${offer}.\n` +
      "  Install Go (https://go.dev/doc/install) and put its bin folder on PATH, then run the same command again.",
  );
}

/** @returns {Promise<{ path?: string, words: string }>} */
async function findGo() {
  const path = findProgram("go");
  if (!path) return { words: "none on PATH" };
  const { text } = await ask(path, ["version"], { timeoutMs: 30_000 });
  return isAtLeast(text, MINIMUM.go) ? { path, words: text } : { words: `${path} (${text})` };
}
