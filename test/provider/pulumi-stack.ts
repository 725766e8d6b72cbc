import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { execa } from "execa";
import { expect } from "vitest";
import { cacheHome } from "../../src/paths";

export const repository = resolve(__dirname, "..", "..");

/** What a run of a real program printed. */
export interface Run {
  readonly exitCode: number;
  /** stdout and stderr as they came. */
  readonly output: string;
  readonly stdout: string;
}

/** A failed run is shown whole: its output is the only witness. */
export function succeeded(run: Run): Run {
  expect(run.exitCode, run.output).toBe(0);
  return run;
}

/** A run that is not over. */
export interface RunningPulumi {
  readonly pid: number;
  readonly kill: (signal: "SIGINT" | "SIGKILL") => void;
  /** What it has printed until now. */
  readonly printed: () => string;
  readonly end: Promise<Run>;
}

/**
 * A Pulumi project in a temporary folder, with its own backend, Pulumi home and sandbox server, run by the real CLI.
 * Programs are JavaScript, as a user without TypeScript would write them.
 */
export class PulumiStack {
  readonly dir = mkdtempSync(join(tmpdir(), "oc-e2e-"));
  readonly project = join(this.dir, "project");
  /** Home of the embedded server that the provider starts. */
  readonly home = join(this.dir, "home");
  readonly env: Record<string, string>;

  constructor(extraEnv: Record<string, string> = {}) {
    mkdirSync(join(this.project, "agent"), { recursive: true });
    mkdirSync(join(this.dir, "backend"));
    symlinkSync(join(repository, "node_modules"), join(this.project, "node_modules"));
    writeFileSync(join(this.project, "Pulumi.yaml"), "name: e2e\nruntime: nodejs\n");
    writeFileSync(join(this.project, "package.json"), '{ "name": "e2e", "main": "index.js" }\n');
    const uid = process.geteuid?.() ?? -1;
    const bin = join(cacheHome({ env: process.env, uid, homeDir: homedir() }), "bin");
    this.env = {
      PATH: `${bin}:${process.env["PATH"]}`,
      PULUMI_HOME: join(this.dir, "pulumi"),
      PULUMI_BACKEND_URL: `file://${join(this.dir, "backend")}`,
      PULUMI_CONFIG_PASSPHRASE: "test",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      OPENCOMPUTER_HOME: this.home,
      ...extraEnv,
    };
  }

  /** Writes the program; `body` sees what the package exports, and `exports`. */
  program(body: string): void {
    const head =
      'const { Checkpoint, Image, Snapshot, Sandbox, getSnapshot, listSnapshots } = require("pulumi-opencomputer");\n';
    writeFileSync(join(this.project, "index.js"), head + body);
  }

  /** Writes a file of the project, with the folders above it. */
  file(path: string, content: string): void {
    mkdirSync(dirname(join(this.project, path)), { recursive: true });
    writeFileSync(join(this.project, path), content);
  }

  /** The file that a command's name leads to. */
  async which(command: string): Promise<string> {
    return (await this.run("sh", ["-c", 'command -v "$0"', command])).stdout;
  }

  /** `pulumi <args>` on the stack `dev`. */
  pulumi(...args: string[]): Promise<Run> {
    return this.run("pulumi", [...args, "--non-interactive", "--cwd", this.project]);
  }

  /** The same, running: a handle to signal it, what it has printed, and its end. */
  start(...args: string[]): RunningPulumi {
    const child = execa("pulumi", [...args, "--non-interactive", "--cwd", this.project], this.options());
    let printed = "";
    child.all.on("data", (chunk: Buffer) => {
      printed += chunk;
    });
    return {
      pid: child.pid ?? 0,
      kill: (signal) => void child.kill(signal),
      printed: () => printed,
      end: child.then(({ exitCode, all, stdout }) => ({ exitCode: exitCode ?? -1, output: all, stdout })),
    };
  }

  async outputs(): Promise<Record<string, unknown>> {
    const { stdout } = await this.pulumi("stack", "output", "--json", "--stack", "dev");
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** `pulumi-opencomputer <args>`, talking to the same server. */
  cli(...args: string[]): Promise<Run> {
    return this.run(process.execPath, [join(repository, "dist", "src", "cli", "main.js"), ...args]);
  }

  /** Stops the server and removes the folder. */
  async close(): Promise<void> {
    await this.cli("stop", "--all");
    rmSync(this.dir, { recursive: true, force: true });
  }

  private async run(command: string, args: string[]): Promise<Run> {
    const result = await execa(command, args, this.options());
    return { exitCode: result.exitCode ?? -1, output: result.all, stdout: result.stdout };
  }

  private options() {
    const limits = { timeout: 600_000, reject: false, stdin: "ignore" } as const;
    return { env: this.env, cwd: this.project, all: true, ...limits } as const;
  }
}
