import { readFile, stat, statfs } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { ask } from "./command.mjs";

/** What the kernel and the file systems offer, each answer in words or undefined. */

const OVERLAYFS_MAGIC = 0x794c7630;
const CONTROLLERS = ["cpu", "memory", "pids"];
const CA_BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** Whether the kernel knows overlayfs, built in or as a module that is loaded. */
export async function findOverlayfs() {
  return /\boverlay$/m.test(await read("/proc/filesystems")) ? "in the kernel" : undefined;
}

/** Loads overlayfs where it is a module. */
export async function loadOverlayfs() {
  await ask("modprobe", ["overlay"]);
}

/** How many user namespaces may be made; undefined where none. */
export async function findUserNamespaces() {
  const limit = Number(await read("/proc/sys/user/max_user_namespaces"));
  return limit > 0 ? `up to ${limit}` : undefined;
}

/** Which version of cgroups has the controllers that limits need. */
export async function findCgroups() {
  return describeCgroups(await read("/sys/fs/cgroup/cgroup.controllers"), await read("/proc/self/cgroup"));
}

/**
 * @param {string} unified The controllers of the one tree of version 2, empty on version 1.
 * @param {string} own `/proc/self/cgroup`, where version 1 names a tree for each controller.
 */
export function describeCgroups(unified, own) {
  if (CONTROLLERS.every((name) => unified.split(/\s+/).includes(name))) return "version 2";
  const trees = own.split("\n").flatMap((line) => line.split(":")[1]?.split(",") ?? []);
  if (!CONTROLLERS.every((name) => trees.includes(name))) return undefined;
  return /^0::/m.test(own) ? "version 1 (hybrid)" : "version 1";
}

/** Where the certificates of the authorities are that TLS clients trust. */
export async function findCaBundle() {
  for (const path of [process.env.SSL_CERT_FILE, ...CA_BUNDLES]) {
    if (path && (await isFile(path))) return path;
  }
  return undefined;
}

/**
 * The file system that holds the server's home: its free space and whether it can carry overlayfs.
 *
 * @returns {Promise<{ path: string, freeBytes: number, isOverlay: boolean }>}
 */
export async function examineHome() {
  let path = serverHome();
  for (;;) {
    const found = await statfs(path).catch(() => undefined);
    if (found) return { path, freeBytes: found.bavail * found.bsize, isOverlay: found.type === OVERLAYFS_MAGIC };
    path = dirname(path);
  }
}

/**
 * The server's home, as src/paths.ts has it; here again because these checks run before anything is compiled.
 *
 * @param {{ env: Readonly<Record<string, string | undefined>>, uid: number, homeDir: string }} [inputs]
 */
export function serverHome(
  { env, uid, homeDir } = { env: process.env, uid: process.geteuid?.() ?? -1, homeDir: homedir() },
) {
  if (env.OPENCOMPUTER_HOME) return env.OPENCOMPUTER_HOME;
  if (uid === 0) return "/var/lib/opencomputer";
  return join(env.XDG_DATA_HOME || join(homeDir, ".local", "share"), "opencomputer");
}

/** @param {string} path */
function read(path) {
  return readFile(path, "utf8").catch(() => "");
}

/** @param {string} path */
function isFile(path) {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
