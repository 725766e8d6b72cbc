import { ask, findProgram, run } from "./command.mjs";
import { say, step } from "./progress.mjs";

const INSTALL_TIMEOUT_MS = 20 * 60_000;

/**
 * @typedef {"apt" | "dnf" | "pacman" | "apk"} ManagerName
 * @typedef {Readonly<Partial<Record<ManagerName, readonly string[]>>>} Packages What holds a program, by manager.
 * @typedef {{ name: ManagerName, program: string, refresh?: readonly string[], install: readonly string[] }} Manager
 */

/** @type {readonly Manager[]} */
const MANAGERS = [
  {
    name: "apt",
    program: "apt-get",
    refresh: ["update", "-q"],
    install: ["install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"],
  },
  { name: "dnf", program: "dnf", install: ["install", "-y", "--setopt=install_weak_deps=False"] },
  { name: "pacman", program: "pacman", install: ["-Sy", "--noconfirm", "--needed"] },
  { name: "apk", program: "apk", install: ["add", "--no-cache"] },
];

/** The distribution's package manager, or undefined where it is none of those we know. */
export function findPackageManager() {
  return MANAGERS.find((manager) => findProgram(manager.program));
}

/**
 * The command line that a user can type.
 *
 * @param {Manager} manager
 * @param {readonly string[]} packages
 */
export function installCommand(manager, packages) {
  return `${manager.program} ${manager.name === "pacman" ? "-S" : manager.install[0]} ${packages.join(" ")}`;
}

/**
 * Installs packages; those that apt does not know are left out. Needs root, or sudo without a password.
 *
 * @param {Manager} manager
 * @param {readonly string[]} packages
 */
export async function installPackages(manager, packages) {
  const prefix = await rootPrefix();
  if (!prefix) {
    return say(`• Not root, and sudo asks for a password; please run: sudo ${installCommand(manager, packages)}`);
  }
  const title = `Installing ${packages.join(", ")} with ${manager.program}: the local engine needs them`;
  await step(title, async (onLine) => {
    const call = (/** @type {readonly string[]} */ args) => {
      // Through `env`, as sudo lets no variable pass.
      const [program = "env", ...rest] = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", manager.program, ...args];
      return run(program, rest, { timeoutMs: INSTALL_TIMEOUT_MS, onLine });
    };
    // One broken source must not stop what the others have; a package that is really missing fails below.
    if (manager.refresh) await call(manager.refresh).catch((error) => onLine(String(error)));
    const known = manager.name === "apt" ? await findKnownToApt(manager, packages) : packages;
    // What is missing in the end is told by the checks that follow; here the reason is.
    if (known.length > 0) await call([...manager.install, ...known]).catch((error) => say(`  ${error.message}`));
  });
}

/**
 * One unknown package would fail the whole command.
 *
 * @param {Manager} manager
 * @param {readonly string[]} packages
 */
async function findKnownToApt(manager, packages) {
  const candidates = await Promise.all(packages.map((name) => aptCandidate(manager, name)));
  return packages.filter((_, index) => candidates[index]);
}

/** What to put before a command to run it as root; undefined where that is not possible without asking. */
async function rootPrefix() {
  if (process.getuid?.() === 0) return [];
  const sudo = findProgram("sudo");
  return sudo && (await ask(sudo, ["-n", "true"])).ok ? [sudo, "-n"] : undefined;
}

/**
 * The version of a package that apt would install; undefined where it is unknown or the manager is another.
 *
 * @param {Manager | undefined} manager
 * @param {string} name
 */
export async function aptCandidate(manager, name) {
  if (manager?.name !== "apt") return undefined;
  const { text } = await ask("apt-cache", ["policy", name]);
  const version = /Candidate: (?:\d+:)?(\S+)/.exec(text)?.[1];
  return version === "(none)" ? undefined : version;
}
