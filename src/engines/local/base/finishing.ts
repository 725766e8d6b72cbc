import { SANDBOX_USER } from "./accounts";

/** Counts up with every change of what the finishing step does: bases of an older one are made anew. */
export const FINISHING_VERSION = 3;

/** Programs without which neither steps nor sandboxes work. */
export const REQUIRED_PROGRAMS: readonly string[] = ["sh", "cat", "env", "mkdir", "find", "tar"];

/** A file that every base has. Root owns it. */
export interface FinishingFile {
  /** Absolute, inside. */
  readonly path: string;
  readonly mode: number;
  readonly content: string;
}

/** Directories that are emptied, with the mode that they have afterwards. */
export const EMPTIED_DIRS: readonly { readonly path: string; readonly mode: number }[] = [
  { path: "/dev", mode: 0o755 },
  { path: "/proc", mode: 0o555 },
  { path: "/sys", mode: 0o555 },
  { path: "/run", mode: 0o755 },
  { path: "/tmp", mode: 0o1777 },
  { path: "/var/tmp", mode: 0o1777 },
  // Mount point of the engine.
  { path: "/.oc", mode: 0o755 },
];

/** What a package installation leaves behind and nobody needs, or what would say where the base was made. */
export const REMOVED_PATHS: readonly string[] = [
  "/etc/apt/apt.conf.d/99mmdebstrap",
  "/etc/dpkg/dpkg.cfg.d/99mmdebstrap",
  "/var/cache/apt/pkgcache.bin",
  "/var/cache/apt/srcpkgcache.bin",
  "/var/cache/ldconfig/aux-cache",
  "/var/lib/dbus/machine-id",
  "/var/log/alternatives.log",
  "/var/log/bootstrap.log",
  "/var/log/dpkg.log",
  "/.dockerenv",
];

/** Package lists and archives: emptied where they are there. */
export const PACKAGE_CACHES: readonly string[] = ["/var/lib/apt/lists", "/var/cache/apt/archives", "/var/log/apt"];

/**
 * Whoever is `sandbox` inside may be root inside, with the environment that it has: that of the image, proxies and
 * certificates. There is nothing to guard between the two; what guards the machine is outside.
 */
const SUDOERS = `Defaults:${SANDBOX_USER} !env_reset, !secure_path, always_set_home
Defaults:${SANDBOX_USER} !env_delete, !env_check
${SANDBOX_USER} ALL=(ALL:ALL) NOPASSWD:SETENV: ALL
`;

/** Files of every base, whatever it is made from. */
export function commonFiles(): FinishingFile[] {
  return [
    { path: "/etc/hostname", mode: 0o644, content: "sandbox\n" },
    {
      path: "/etc/hosts",
      mode: 0o644,
      content: "127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 sandbox\n",
    },
    { path: "/etc/machine-id", mode: 0o644, content: "" },
    { path: "/etc/resolv.conf", mode: 0o644, content: "" },
    { path: `/etc/sudoers.d/${SANDBOX_USER}`, mode: 0o440, content: SUDOERS },
    { path: "/etc/pip.conf", mode: 0o644, content: "[global]\nroot-user-action = ignore\n" },
  ];
}

/** Files of a base that has dpkg. */
export function debianFiles(): FinishingFile[] {
  return [
    { path: "/etc/apt/apt.conf.d/90opencomputer", mode: 0o644, content: APT_CONF },
    { path: "/etc/dpkg/dpkg.cfg.d/opencomputer", mode: 0o644, content: DPKG_CONF },
    // There is no init system: a package that wants to start its service is told that it must not.
    { path: "/usr/sbin/policy-rc.d", mode: 0o755, content: "#!/bin/sh\nexit 101\n" },
  ];
}

/** The archives that a base installs further packages from. */
export function sourcesFile(lines: readonly string[]): FinishingFile {
  return { path: "/etc/apt/sources.list", mode: 0o644, content: lines.map((line) => `${line}\n`).join("") };
}

/** dpkg options of a base that is installed from packages, during the installation and afterwards. */
export const DPKG_OPTIONS: readonly string[] = [
  "force-unsafe-io",
  "path-exclude=/usr/share/man/*/*",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
  "path-exclude=/usr/share/locale/*/LC_MESSAGES/*.mo",
  // PEP 668 guards a machine that people share; a sandbox is there for `pip install`.
  "path-exclude=/usr/lib/python3*/EXTERNALLY-MANAGED",
];

const DPKG_CONF = `${DPKG_OPTIONS.join("\n")}\n`;

const APT_CONF = `APT::Sandbox::User "root";
APT::Keep-Downloaded-Packages "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dpkg::Use-Pty "0";
`;
