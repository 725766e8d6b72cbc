import { existsSync } from "node:fs";
import { execa } from "execa";
import { OpenComputerError } from "../../../errors";
import { type AptEntry, forRelease, toOneLine } from "./apt-entry";
import type { HostApt } from "./host-apt";
import { installRelease } from "./mmdebstrap";
import { BASE_PACKAGES } from "./packages";
import { type BaseContext, type BaseRecipe, recipeId } from "./recipe";
import { toolEnv } from "./run-tool";

/** The release that images are promised. */
const UBUNTU_SUITE = "jammy";
const UBUNTU_NAME = "Ubuntu 22.04";
const UBUNTU_SUITES: readonly string[] = ["focal", UBUNTU_SUITE, "noble", "plucky", "questing", "resolute"];
const UBUNTU_KEYRING = "/usr/share/keyrings/ubuntu-archive-keyring.gpg";
const PROBE_TIMEOUT_MS = 5_000;

/**
 * The recipes for a base that nobody chose, best first: Ubuntu 22.04, then the machine's own distribution. Which of them
 * can be had is {@link whyNoUbuntu}'s to say.
 */
export function defaultRecipes(host: HostApt): { readonly ubuntu: BaseRecipe; readonly own: BaseRecipe | undefined } {
  const own = host.entries.length > 0 ? releaseRecipe(host.os.codename, host.entries) : undefined;
  return { ubuntu: releaseRecipe(UBUNTU_SUITE, ubuntuEntries(host, UBUNTU_SUITE)), own };
}

/**
 * Why Ubuntu 22.04 cannot be had on this machine, or undefined where it can: its keys are there and its mirror answers,
 * asked once, through apt itself, so that the proxies and certificates of the machine's apt count.
 */
export async function whyNoUbuntu(host: HostApt, workDir: string, context: BaseContext): Promise<string | undefined> {
  const [entry] = ubuntuEntries(host, UBUNTU_SUITE);
  if (entry === undefined || (host.os.id !== "ubuntu" && !existsSync(UBUNTU_KEYRING))) {
    return `the keys of ${UBUNTU_NAME} (${UBUNTU_KEYRING}) are not installed`;
  }
  context.onProgress(`base: asking for ${UBUNTU_NAME}`);
  const probe = await execa(
    "/usr/lib/apt/apt-helper",
    [
      "-o",
      "Acquire::Retries=0",
      "download-file",
      `${entry.uri.replace(/\/$/, "")}/dists/${UBUNTU_SUITE}/Release`,
      `${workDir}/Release`,
    ],
    {
      env: toolEnv(context.hostEnv),
      extendEnv: false,
      reject: false,
      timeout: PROBE_TIMEOUT_MS,
      cancelSignal: context.signal,
    },
  );
  return probe.failed ? `${UBUNTU_NAME} could not be reached` : undefined;
}

/** The recipe for a release that somebody asked for by name; from the machine's own archives where they have it. */
export function namedRecipe(host: HostApt, suite: string): BaseRecipe {
  if (suite === host.os.codename && host.entries.length > 0) return releaseRecipe(suite, host.entries);
  if (UBUNTU_SUITES.includes(suite)) return releaseRecipe(suite, ubuntuEntries(host, suite));
  return releaseRecipe(suite, debianEntries(host, suite));
}

/** The same recipe, with what the description says after the name of the system. */
export function withReason(recipe: BaseRecipe, reason: string): BaseRecipe {
  return { ...recipe, remark: `, because ${reason}` };
}

/** The error for a machine on which no default base can be made. */
export function noDefault(reason: string): OpenComputerError {
  return new OpenComputerError(
    "requirement_missing",
    `no base root filesystem can be made: ${reason}, and this machine has no apt sources of its own distribution. Set OPENCOMPUTER_BASE, for example to oci:docker.io/library/ubuntu:22.04 or tar:PATH.`,
  );
}

function releaseRecipe(suite: string, entries: readonly AptEntry[]): BaseRecipe {
  const sources = entries.map((entry) => toOneLine(entry, { credentials: false }));
  return {
    id: recipeId({ kind: "mmdebstrap", suite, packages: BASE_PACKAGES, sources }),
    announcement: `base: installing ${suite} with ${BASE_PACKAGES.length} packages and what they need; this takes a minute or more, once`,
    remark: "",
    aptSources: entries,
    make: async (rootfs, workDir, context) => {
      checkKeyrings(suite, entries);
      await installRelease({ suite, entries, rootfs, workDir, ...context });
    },
  };
}

function checkKeyrings(suite: string, entries: readonly AptEntry[]): void {
  const keyring = entries
    .flatMap(({ options }) => options["signed-by"] ?? [])
    .find((path) => path.startsWith("/") && !existsSync(path));
  if (keyring === undefined) return;
  throw new OpenComputerError(
    "requirement_missing",
    `installing ${suite} needs the keys of its archive in ${keyring}, which is not there. Install the distribution's keyring package or copy the file from a machine of that distribution, or choose another OPENCOMPUTER_BASE.`,
    { details: { keyring } },
  );
}

function ubuntuEntries(host: HostApt, suite: string): AptEntry[] {
  if (host.os.id === "ubuntu" && host.entries.length > 0) {
    // What is installed here is partly in `universe`, which a mirror has but a machine need not use.
    return forRelease(host.entries, host.os.codename, suite).map((entry) => ({
      ...entry,
      components: [...new Set([...entry.components, "main", "universe"])],
    }));
  }
  const uri = process.arch === "x64" ? "http://archive.ubuntu.com/ubuntu" : "http://ports.ubuntu.com/ubuntu-ports";
  const suites = [suite, `${suite}-updates`, `${suite}-security`];
  const options = { "signed-by": UBUNTU_KEYRING };
  return suites.map((name) => ({ uri, suite: name, components: ["main", "universe"], options }));
}

function debianEntries(host: HostApt, suite: string): AptEntry[] {
  if (host.os.id === "debian" && host.entries.length > 0) return forRelease(host.entries, host.os.codename, suite);
  const options = { "signed-by": "/usr/share/keyrings/debian-archive-keyring.gpg" };
  return [{ uri: "http://deb.debian.org/debian", suite, components: ["main"], options }];
}
