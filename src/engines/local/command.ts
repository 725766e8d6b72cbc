import { execa } from "execa";
import { OpenComputerError } from "../../errors";

/** How a short host command is run. */
export interface CommandOptions {
  /** Written to stdin; absent is an empty stdin. */
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Default 30,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The environment of host commands: nothing of the server's own, so that no secret of it leaks into a runtime. */
export const COMMAND_ENV = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };

/**
 * Runs a host command to its end and returns its stdout.
 *
 * @throws internal with the command's last words; aborted, timeout
 */
export async function runCommand(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await execa(file, args, {
    ...(options.input === undefined ? { stdin: "ignore" } : { input: options.input }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    env: { ...COMMAND_ENV, ...options.env },
    extendEnv: false,
    timeout: options.timeoutMs ?? 30_000,
    reject: false,
  });
  if (!result.failed) return result.stdout;
  if (result.isCanceled) throw new OpenComputerError("aborted", `stopped waiting for ${file}`);
  if (result.timedOut) throw new OpenComputerError("timeout", `${file} ${args.join(" ")} took too long`);
  throw new OpenComputerError("internal", `${file} ${args.join(" ")} failed: ${lastWords(result)}`);
}

/** Like {@link runCommand}, for clean-up: true where it succeeded, false where it did not. */
export async function tryCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<boolean> {
  return runCommand(file, args, options).then(
    () => true,
    () => false,
  );
}

function lastWords(result: { stderr: string; exitCode?: number; shortMessage?: string }): string {
  return result.stderr.trim().slice(-2000) || result.shortMessage || `exit code ${result.exitCode}`;
}
