import { spawn } from "node:child_process";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { OpenComputerError } from "../errors";
import { commandFile } from "./package-root";

/** A server that was started and lives on its own. */
export interface ServerProcess {
  /** Undefined while it runs. */
  readonly exit: () => string | undefined;
}

export interface StartServerOptions {
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The file that `node` runs with `serve --home HOME`. Default: this package's command. */
  readonly entry?: string;
}

/** The server's log inside its home. */
export function serverLogFile(home: string): string {
  return join(home, "server.log");
}

/**
 * Starts the server detached: it outlives this program, because sandboxes do. What it prints is added to its log.
 *
 * @throws requirement_missing where the home cannot be made or the package was never built
 */
export async function startServerProcess(options: StartServerOptions): Promise<ServerProcess> {
  const { home, env, entry = commandFile() } = options;
  const log = await openLog(home);
  try {
    const child = spawn(process.execPath, [entry, "serve", "--home", home], {
      detached: true,
      cwd: home,
      env: withoutPulumi(env),
      stdio: ["ignore", log.fd, log.fd],
    });
    let exit: string | undefined;
    child.once("error", (error) => {
      exit = error.message;
    });
    child.once("exit", (code, signal) => {
      exit = signal ? `ended by ${signal}` : `exit code ${code}`;
    });
    child.unref();
    return { exit: () => exit };
  } finally {
    await log.close();
  }
}

async function openLog(home: string) {
  try {
    await mkdir(home, { recursive: true, mode: 0o700 });
    return await open(serverLogFile(home), "a", 0o600);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OpenComputerError(
      "requirement_missing",
      `the embedded server cannot use its folder ${home} (${reason}); choose one that you may write to with OPENCOMPUTER_HOME`,
      { cause: error },
    );
  }
}

/** A server that lives for weeks has no business with the passphrase and tokens of the stack that started it. */
function withoutPulumi(env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("PULUMI_")));
}
