import { type StdioOptions, spawn } from "node:child_process";

export interface CommandOptions {
  readonly signal?: AbortSignal;
  /** Default one minute. */
  readonly timeoutMs?: number;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** A file descriptor, for bytes that must not pass through this process. */
  readonly stdin?: number;
  /** A file descriptor, `ignore`, or `drain`: read by this process and dropped. Default: returned as text. */
  readonly stdout?: number | "ignore" | "drain";
  /** Default: read, and told where the command fails. A file descriptor for what outlives the command. */
  readonly stderr?: number;
}

const KEPT_CHARACTERS = 4_000;

/**
 * Runs a program to its end and returns what it printed.
 *
 * @throws with its last words where it fails, takes too long or is stopped
 */
export async function command(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  options.signal?.throwIfAborted();
  const isDrained = options.stdout === "drain";
  const stdout = options.stdout === "drain" ? "pipe" : (options.stdout ?? "pipe");
  const stdio: StdioOptions = [options.stdin ?? "ignore", stdout, options.stderr ?? "pipe"];
  const child = spawn(program, args, { cwd: options.cwd, env: options.env ?? process.env, stdio });
  let printed = "";
  let said = "";
  child.stdout?.on("data", (bytes: Buffer) => {
    if (!isDrained) printed += String(bytes);
  });
  child.stderr?.on("data", (bytes: Buffer) => {
    said = (said + String(bytes)).slice(-KEPT_CHARACTERS);
  });
  const ending = await new Promise<string>((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 60_000);
    const stop = () => child.kill("SIGTERM");
    options.signal?.addEventListener("abort", stop, { once: true });
    const end = (words: string) => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", stop);
      resolve(words);
    };
    child.once("error", (error) => end(error.message));
    child.once("close", (code, signal) => end(signal ? `killed by ${signal}` : `exit code ${code}`));
  });
  if (ending === "exit code 0") return printed;
  throw new Error(`${program} ${args.join(" ")}: ${ending}: ${said.trim() || printed.trim().slice(-KEPT_CHARACTERS)}`);
}

/** What a program prints; undefined where it is missing or fails. */
export async function ask(
  program: string,
  args: readonly string[],
  options?: CommandOptions,
): Promise<string | undefined> {
  return command(program, args, options).then(
    (text) => text.trim(),
    () => undefined,
  );
}
