import { randomBytes } from "node:crypto";
import type { StepContext } from "./step-context";

/**
 * Runs each argument in this one shell, so that `cd` and variables of one hold for the next, and stops at the first that
 * fails. Before each it prints a line that nobody can foresee, which tells the log what runs. `set --` hides the
 * arguments from them; `||` would switch off their own `set -e`.
 */
const SCRIPT = `__oc_mark=$1
shift
__oc_count=0
for __oc_command do
  set --
  __oc_count=$((__oc_count + 1))
  printf '%s %s\\n' "$__oc_mark" "$__oc_count"
  eval "$__oc_command"
  __oc_status=$?
  if [ "$__oc_status" != 0 ]; then exit "$__oc_status"; fi
done`;

/** Runs the commands of a `run` step, as the user wrote them. */
export async function runCommands(context: StepContext, commands: readonly string[]): Promise<void> {
  if (commands.length === 0) return;
  const mark = randomBytes(16).toString("hex");
  let current = 0;
  const onLine = (line: string) => {
    const at = line.indexOf(`${mark} `);
    if (at === -1) return true;
    // A command that ended without a line end stands before the mark.
    if (at > 0) context.log(line.slice(0, at));
    current = Number.parseInt(line.slice(at + mark.length + 1), 10);
    context.log(`$ ${commands[current - 1]}`);
    return false;
  };
  const argv = ["/bin/sh", "-c", SCRIPT, "sh", mark, ...commands] as const;
  const exitCode = await context.run({ argv, env: context.env, cwd: context.workdir ?? "/", onLine });
  if (exitCode !== 0) throw context.fail(`command ${current} ${JSON.stringify(commands[current - 1] ?? "")}`, exitCode);
}
