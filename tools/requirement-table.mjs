import { existsSync } from "node:fs";
import { dirname, isAbsolute } from "node:path";
import { ask, findProgram } from "./command.mjs";
import {
  checkRunc,
  checkRunsc,
  checkRuntime,
  provideRunc,
  provideRunsc,
  provideRuntime,
} from "./container-runtime.mjs";
import * as host from "./host.mjs";
import { findCompiler, NATIVE_PROGRAMS } from "./native-programs.mjs";
import { MINIMUM } from "./pins.mjs";
import { checkDynamicPlugin, checkLanguageHost, checkPulumi, providePulumi } from "./pulumi-cli.mjs";
import { SOUND_RUNC } from "./runc-holes.mjs";
import { isAtLeast } from "./version-number.mjs";

const GIB = 1024 ** 3;
/** A full base takes about 2 GiB, and as much again while it is made; the rest is for layers. */
const NEEDED_BYTES = 8 * GIB;

/**
 * @typedef {import("./package-manager.mjs").Packages} Packages
 *
 * What the machine is to do. `remote`: talk to another server, which needs no engine here. `test`: run all tests.
 * @typedef {"local" | "remote" | "test"} Purpose
 *
 * @typedef {object} Finding
 * @property {boolean} ok
 * @property {string} [found] Where it is and which version.
 * @property {string} [note] What to know about it although it works.
 * @property {string} [keeps] Of the runtime: what checkpoints of sandboxes keep with it.
 *
 * @typedef {object} Requirement
 * @property {string} name
 * @property {string} what What it is for.
 * @property {readonly Purpose[]} neededFor
 * @property {() => Finding | Promise<Finding>} check
 * @property {string} hint How to get it.
 * @property {Packages} [packages] Which packages hold it.
 * @property {() => Promise<void>} [provide] Gets it where no package does.
 */

/** @type {readonly Purpose[]} */
const ALWAYS = ["local", "remote", "test"];
/** @type {readonly Purpose[]} */
const ENGINE = ["local", "test"];

/** @param {string} name */
const sameEverywhere = (name) => ({ apt: [name], dnf: [name], pacman: [name], apk: [name] });

/** @type {readonly Requirement[]} */
export const REQUIREMENTS = Object.freeze([
  {
    name: "Node.js",
    what: "runs everything here",
    neededFor: ALWAYS,
    check: () => ({ ok: isAtLeast(process.version, MINIMUM.node), found: `${process.execPath} ${process.version}` }),
    hint: `install Node.js ${MINIMUM.node} or newer from https://nodejs.org or with nvm`,
  },
  {
    name: "Pulumi CLI",
    what: "runs the programs that describe images and sandboxes",
    neededFor: ALWAYS,
    check: checkPulumi,
    hint: `install version ${MINIMUM.pulumi} or newer: https://www.pulumi.com/docs/install/`,
    provide: providePulumi,
  },
  {
    name: "Pulumi's Node.js language host",
    what: "lets the Pulumi CLI run TypeScript programs",
    neededFor: ALWAYS,
    check: checkLanguageHost,
    hint: "it comes with the Pulumi CLI: https://www.pulumi.com/docs/install/",
    provide: providePulumi,
  },
  {
    name: "Pulumi's dynamic provider plugin",
    what: "runs the resources Snapshot and Sandbox",
    neededFor: ALWAYS,
    check: checkDynamicPlugin,
    hint: "it comes with the Pulumi CLI: https://www.pulumi.com/docs/install/",
    provide: providePulumi,
  },
  {
    name: "Linux",
    what: "the local engine is made of its namespaces and mounts",
    neededFor: ENGINE,
    check: () => ({ ok: process.platform === "linux", found: `${process.platform} ${process.arch}` }),
    hint: "use a Linux machine or VM, or point OPENCOMPUTER_API_URL to a server that runs on one",
  },
  {
    name: "root",
    what: "the local engine mounts file systems and makes networks",
    neededFor: ENGINE,
    check: () => ({ ok: process.geteuid?.() === 0, found: `uid ${process.geteuid?.()}` }),
    hint: 'run the command with `sudo -E env "PATH=$PATH"` before it, or point OPENCOMPUTER_API_URL to a server',
  },
  {
    name: "overlayfs",
    what: "stacks the layers of images",
    neededFor: ENGINE,
    check: async () => toFinding(await host.findOverlayfs()),
    hint: "run `modprobe overlay` as root, or use a kernel that has it",
    provide: host.loadOverlayfs,
  },
  {
    name: "user namespaces",
    what: "make root inside a sandbox nobody outside",
    neededFor: ENGINE,
    check: async () => toFinding(await host.findUserNamespaces()),
    hint: "run `sysctl -w user.max_user_namespaces=15000` as root",
  },
  {
    name: "control groups",
    what: "limit the memory, processes and CPU of sandboxes",
    neededFor: ENGINE,
    check: async () => toFinding(await host.findCgroups()),
    hint: "mount /sys/fs/cgroup with the controllers cpu, memory and pids",
  },
  {
    name: "disk",
    what: "holds the base, layers and sandboxes",
    neededFor: ENGINE,
    check: checkDisk,
    hint: "set OPENCOMPUTER_HOME to a folder on an ordinary file system (not an overlay) with 8 GiB free",
  },
  {
    name: "disk quotas",
    what: "keep one sandbox from taking the disk from the others",
    neededFor: [],
    check: () => ({ ok: true, found: "watched every 5 s: who is over its quota is ended" }),
    hint: "they need nothing",
  },
  {
    name: "OCI runtime",
    what: "runs build steps and sandboxes",
    neededFor: ENGINE,
    check: checkRuntime,
    hint: `install ${SOUND_RUNC} with your package manager, or gVisor: https://gvisor.dev/docs/user_guide/install/; or set OPENCOMPUTER_ACCEPT_RUNC to the version of an older runc that your distribution has mended`,
    packages: sameEverywhere("runc"),
    provide: provideRuntime,
  },
  {
    name: "runc",
    what: "is the runtime that every distribution has",
    neededFor: ["test"],
    check: checkRunc,
    hint: `install ${SOUND_RUNC}`,
    packages: sameEverywhere("runc"),
    provide: provideRunc,
  },
  {
    name: "runsc",
    what: "is the runtime that keeps sandboxes behind a kernel of their own (gVisor); preferred where it is there",
    neededFor: ["test"],
    check: checkRunsc,
    hint: "install gVisor: https://gvisor.dev/docs/user_guide/install/",
    provide: provideRunsc,
  },
  {
    name: "C compiler",
    what: "makes the engine's native programs, such as the agent that is PID 1 of every sandbox",
    neededFor: ENGINE,
    check: checkNativePrograms,
    hint: "install gcc and the static C library with your package manager",
    packages: { apt: ["gcc", "libc6-dev"], dnf: ["gcc", "glibc-static"], pacman: ["gcc"], apk: ["gcc", "musl-dev"] },
  },
  program("nft", "keeps sandboxes out of the host's networks", ENGINE, sameEverywhere("nftables")),
  program("ip", "makes the networks of sandboxes", ENGINE, { ...sameEverywhere("iproute2"), dnf: ["iproute"] }),
  {
    name: "util-linux",
    what: "mounts layers and enters namespaces",
    neededFor: ENGINE,
    check: () => allOf("mount", "umount", "unshare", "nsenter", "flock", "setpriv"),
    hint: "install util-linux and mount with your package manager",
    packages: { ...sameEverywhere("util-linux"), apt: ["util-linux", "mount"] },
  },
  program("git", "clones a project as another user, to see its plan there", ["test"], sameEverywhere("git")),
  program("tar", "unpacks base file systems", ENGINE, sameEverywhere("tar")),
  {
    name: "CA certificates",
    what: "let builds and sandboxes reach registries over TLS",
    neededFor: ENGINE,
    check: async () => toFinding(await host.findCaBundle()),
    hint: "install ca-certificates, or set SSL_CERT_FILE",
    packages: sameEverywhere("ca-certificates"),
  },
  program("mmdebstrap", "makes the base from a distribution's packages", baseFrom("", "mmdebstrap:"), {
    // With the keys of Ubuntu's archive where Debian has them, a base can be Ubuntu on Debian, too.
    apt: ["mmdebstrap", "ubuntu-keyring", "ubuntu-archive-keyring"],
    dnf: ["mmdebstrap"],
  }),
  program("python3", "runs mmtarfilter, which trims the base", baseFrom("", "mmdebstrap:"), sameEverywhere("python3")),
  program("skopeo", "fetches a base from a container registry", baseFrom("oci:"), sameEverywhere("skopeo")),
  program("umoci", "unpacks a base from a container registry", baseFrom("oci:"), sameEverywhere("umoci")),
]);

/** @returns {Promise<Finding>} */
async function checkDisk() {
  const { path, freeBytes, isOverlay } = await host.examineHome();
  const found = `${path}, ${Math.floor(freeBytes / GIB)} GiB free${isOverlay ? ", on an overlay" : ""}`;
  return { ok: freeBytes >= NEEDED_BYTES && !isOverlay, found };
}

/** Either they are there already, as in a published package, or they can be made. */
async function checkNativePrograms() {
  if (NATIVE_PROGRAMS.every((file) => existsSync(file))) return toFinding(dirname(NATIVE_PROGRAMS[0] ?? ""));
  const compiler = findCompiler();
  if (!compiler) return toFinding(undefined);
  // A compiler tells the path of a library that it has, and the bare name of one that it has not.
  const { ok, text } = await ask(compiler, ["-print-file-name=libc.a"]);
  return toFinding(ok && isAbsolute(text) ? compiler : undefined);
}

/**
 * @param {string | undefined} found
 * @returns {Finding}
 */
function toFinding(found) {
  return found ? { ok: true, found } : { ok: false };
}

/** @param {readonly string[]} names */
function firstOf(...names) {
  return toFinding(names.map(findProgram).find(Boolean));
}

/** @param {readonly string[]} names */
function allOf(...names) {
  const paths = names.map(findProgram);
  return toFinding(paths.every(Boolean) ? paths[0] : undefined);
}

/**
 * A program that a package of the distribution holds.
 *
 * @param {string} name
 * @param {string} what
 * @param {readonly Purpose[]} neededFor
 * @param {Packages} packages
 * @returns {Requirement}
 */
function program(name, what, neededFor, packages) {
  const hint = `install ${packages.apt?.[0]} with your package manager`;
  return { name, what, neededFor, check: () => firstOf(name), hint, packages };
}

/**
 * What a base of certain kinds needs; `OPENCOMPUTER_BASE` says which kind, empty is the default.
 *
 * @param {readonly string[]} kinds
 * @returns {readonly Purpose[]}
 */
function baseFrom(...kinds) {
  const base = process.env.OPENCOMPUTER_BASE ?? "";
  return kinds.some((kind) => (kind ? base.startsWith(kind) : base === kind)) ? ENGINE : [];
}
