import { Readable } from "node:stream";
import { withEnvironment } from "../environment-file";
import type { StepContext } from "./step-context";

const READ = "cat /etc/environment 2>/dev/null || true";
const WRITE = "cat > /etc/environment && chmod 644 /etc/environment";
/** Makes the parents as root, and the directory itself for the user who will work there; what is there stays. */
const MAKE_DIR = `[ -d "$1" ] && exit 0
mkdir -p -- "$1" && chown sandbox:sandbox -- "$1"`;

/** Writes variables into `/etc/environment`, for login shells; commands get them from the checkpoint. */
export async function writeEnvironment(context: StepContext, vars: Readonly<Record<string, string>>): Promise<void> {
  const names = Object.keys(vars);
  if (names.length === 0) return;
  const content = withEnvironment(await context.ask(["/bin/sh", "-c", READ]), vars);
  await context.ask(["/bin/sh", "-c", WRITE], Readable.from([content]));
}

/** Makes the working directory; a new one belongs to user `sandbox`. */
export async function makeWorkdir(context: StepContext, path: string): Promise<void> {
  await context.ask(["/bin/sh", "-c", MAKE_DIR, "sh", path]);
}
