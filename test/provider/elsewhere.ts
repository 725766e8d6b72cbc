import { execFileSync } from "node:child_process";
import { chownSync, cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { execa } from "execa";
import { type Run, repository } from "./pulumi-stack";

/** `nobody`: a user that every system knows, which the Pulumi CLI insists on. */
const OWNER = 65_534;

/**
 * Mounts each pair of paths, then becomes the other user and runs what follows. The mounts are read-only and seen by
 * this process alone: nobody's permissions change, and nothing stays mounted.
 */
const ENTER = `while [ "$1" != -- ]; do mount -o bind,ro "$1" "$2"; shift 2; done; shift; umask 077
exec setpriv --reuid=${OWNER} --regid=${OWNER} --clear-groups "$@"`;

/**
 * Somebody else's machine, as far as this one can be that: another user, home, umask, time zone, language, folder and
 * Pulumi home, nothing of our environment, and package, CLI and Node.js at other paths. Needs root, as the local engine
 * does.
 */
export class Elsewhere {
  /** The home of that user, and all that is theirs. */
  readonly dir = mkdtempSync(join(tmpdir(), "oc-elsewhere-"));
  /** Where a server of that user would live. */
  readonly serverHome = join(this.dir, "server");
  /** What programs of that user find as `node_modules`. */
  readonly nodeModules = join(this.dir, "package", "node_modules");
  private readonly mounts: readonly string[];
  private readonly env: Record<string, string>;

  /** @param cli the Pulumi CLI; its plugins are beside it */
  constructor(cli: string) {
    this.mounts = [...this.provideTools(cli), repository, this.provide("package")];
    chownSync(this.dir, OWNER, OWNER);
    this.env = {
      PATH: `${join(this.dir, "bin")}:/usr/bin:/bin`,
      HOME: this.dir,
      TZ: "Pacific/Kiritimati",
      LANG: "tr_TR.UTF-8",
      GIT_CONFIG_NOSYSTEM: "1",
      PULUMI_HOME: join(this.dir, "pulumi"),
      PULUMI_BACKEND_URL: `file://${join(this.dir, "backend")}`,
      PULUMI_CONFIG_PASSPHRASE: "test",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      OPENCOMPUTER_HOME: this.serverHome,
    };
  }

  /** Pairs of files: the folder that they are in may be closed to others, so each is mounted by itself. */
  private provideTools(cli: string): string[] {
    const folder = dirname(realpathSync(cli));
    const plugins = readdirSync(folder).filter((name) => name.startsWith("pulumi"));
    const bin = this.provide("bin");
    return [process.execPath, ...plugins.map((name) => join(folder, name))].flatMap((file) => {
      const place = join(bin, basename(file));
      writeFileSync(place, "");
      return [file, place];
    });
  }

  /** An empty folder to mount on. */
  private provide(name: string): string {
    const folder = join(this.dir, name);
    mkdirSync(folder);
    chownSync(folder, OWNER, OWNER);
    return folder;
  }

  /** Brings a file or folder here, under its own name, as a copy that belongs to that user. */
  receive(path: string): void {
    const copy = join(this.dir, basename(path));
    cpSync(path, copy, { recursive: true });
    execFileSync("chown", ["-R", `${OWNER}:${OWNER}`, copy]);
  }

  /** Runs a command there, from the root of the file system. */
  async run(command: string, ...args: string[]): Promise<Run> {
    const result = await execa(
      "unshare",
      ["--mount", "sh", "-ec", ENTER, "sh", ...this.mounts, "--", command, ...args],
      {
        env: this.env,
        extendEnv: false,
        cwd: "/",
        all: true,
        reject: false,
        timeout: 120_000,
        stdin: "ignore",
      },
    );
    return { exitCode: result.exitCode ?? -1, output: result.all, stdout: result.stdout };
  }

  close(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
