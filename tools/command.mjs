import { execFile, spawn } from "node:child_process";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { cacheFolders } from "./cache.mjs";
import { interrupted } from "./interruption.mjs";

/** Where administrators' programs are, also for users whose PATH leaves these folders out. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
const KEPT_LINES = 60;

/** The PATH for children: the fetched tools first, then the user's own, then the system's. */
export function searchPath() {
  const own = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  return [...new Set([cacheFolders().bin, ...own, ...SYSTEM_FOLDERS])].join(delimiter);
}

/**
 * The full path of a program, or undefined.
 *
 * @param {string} name
 */
export function findProgram(name) {
  return findPrograms(name)[0];
}

/**
 * The full paths of all programs of a name, in the order of the search.
 *
 * @param {string} name
 */
export function findPrograms(name) {
  return searchPath()
    .split(delimiter)
    .map((folder) => join(folder, name))
    .filter(isExecutable);
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Asks a program a short question. Never throws: `ok` is false where it is missing, fails or takes too long.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ timeoutMs?: number, env?: NodeJS.ProcessEnv, cwd?: string }} [options] timeoutMs: default 10 s.
 * @returns {Promise<{ ok: boolean, text: string }>} text: standard output, or standard error where it failed.
 */
export function ask(program, args, { timeoutMs = 10_000, env, cwd } = {}) {
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, env: env ?? childEnv(), cwd, maxBuffer: 16 << 20 };
    execFile(program, [...args], options, (error, stdout, stderr) => {
      resolve(error ? { ok: false, text: stderr.trim() || error.message } : { ok: true, text: stdout.trim() });
    });
  });
}

/**
 * @typedef {object} RunOptions
 * @property {number} timeoutMs
 * @property {NodeJS.ProcessEnv} [env] Added to the children's usual environment.
 * @property {string} [cwd]
 * @property {(line: string) => void} [onLine] Each line of output, as a sign of life.
 */

/**
 * Runs a long command whose output is only of interest when it fails.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {RunOptions} options
 * @throws with the last lines of output where it fails; Interruption where the user stops it.
 */
export async function run(program, args, { timeoutMs, env, cwd, onLine }) {
  interrupted.throwIfAborted();
  const child = spawn(program, [...args], { cwd, env: { ...childEnv(), ...env }, stdio: ["ignore", "pipe", "pipe"] });
  /** @type {string[]} */
  const last = [];
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on("line", (line) => {
      if (last.push(line) > KEPT_LINES) last.shift();
      onLine?.(line);
    });
  }
  const outcome = await ending(child, timeoutMs);
  if (outcome === "exit code 0") return;
  interrupted.throwIfAborted();
  throw new Error([`\`${program} ${args.join(" ")}\` failed: ${outcome}`, ...last].join("\n  "));
}

/**
 * Runs a command that speaks to the user itself, and returns its exit code. Many commands clean up at the first SIGINT
 * and give up at the second, so the child gets exactly one: Ctrl-C at a terminal reaches the whole foreground process
 * group, and is not passed on; away from a terminal the child has a group of its own, and gets what we pass on.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, onStderr?: (text: string) => void }} [options] onStderr: also told
 *   what the child writes there.
 * @returns {Promise<number>} 1 where something killed it.
 * @throws Interruption where the user stopped it, after the child has ended.
 */
export async function runInForeground(program, args, { env, cwd, onStderr } = {}) {
  interrupted.throwIfAborted();
  const isForeground = isInForeground();
  const child = spawn(program, [...args], {
    cwd,
    env: { ...childEnv(), ...env },
    stdio: ["inherit", "inherit", onStderr ? "pipe" : "inherit"],
    detached: !isForeground,
  });
  child.stderr?.on("data", (bytes) => {
    process.stderr.write(bytes);
    onStderr?.(String(bytes));
  });
  const passOn = () => {
    const isFromTerminal = isForeground && interrupted.reason.signal === "SIGINT";
    if (!isFromTerminal) child.kill("SIGINT");
  };
  interrupted.addEventListener("abort", passOn, { once: true });
  try {
    const code = await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status) => resolve(status ?? 1));
    });
    interrupted.throwIfAborted();
    return code;
  } finally {
    interrupted.removeEventListener("abort", passOn);
  }
}

/** Whether we are in the process group that the terminal sends its signals to: proc_pid_stat(5), pgrp and tpgid. */
function isInForeground() {
  try {
    const [, , group, , , terminalGroup] = readFileSync("/proc/self/stat", "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return group === terminalGroup;
  } catch {
    return Boolean(process.stdin.isTTY);
  }
}

/** The environment that every child of the tools sees. */
export function childEnv() {
  const cache = process.env.OPENCOMPUTER_CACHE ? { OPENCOMPUTER_CACHE: cacheFolders().root } : {};
  return { ...process.env, ...cache, PATH: searchPath() };
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {number} timeoutMs
 * @returns {Promise<string>} How it ended, in words.
 */
async function ending(child, timeoutMs) {
  const timer = AbortSignal.timeout(timeoutMs);
  const stop = () => child.kill("SIGTERM");
  const either = AbortSignal.any([timer, interrupted]);
  either.addEventListener("abort", stop, { once: true });
  try {
    return await new Promise((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("close", (code, signal) => {
        if (timer.aborted) resolve(`no end after ${timeoutMs / 1000} s`);
        else resolve(signal ? `killed by ${signal}` : `exit code ${code}`);
      });
    });
  } finally {
    either.removeEventListener("abort", stop);
  }
}
