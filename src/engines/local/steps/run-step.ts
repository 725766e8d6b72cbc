import { assertNever } from "../../../errors";
import type { Step } from "../../../image/image-manifest";
import type { DownloadUser } from "../build-cache";
import { addDir, addFile } from "./add-files";
import { installAptPackages } from "./apt-packages";
import { makeWorkdir, writeEnvironment } from "./environment";
import { installPipPackages } from "./pip-packages";
import { runCommands } from "./run-commands";
import type { StepContext } from "./step-context";

/** Does what a step says, in the container of `context`. */
export async function runStep(step: Step, context: StepContext): Promise<void> {
  switch (step.type) {
    case "apt_install":
      return installAptPackages(context, step.args.packages);
    case "pip_install":
      return installPipPackages(context, step.args.packages);
    case "run":
      return runCommands(context, step.args.commands);
    case "env":
      return writeEnvironment(context, step.args.vars);
    case "workdir":
      return makeWorkdir(context, step.args.path);
    case "add_file":
      return addFile(context, step.args);
    case "add_dir":
      return addDir(context, step.args);
    case "start_command":
      // It changes no file: what it starts, starts in the finished image.
      return;
    default:
      return assertNever(step);
  }
}

/** Whether a step changes nothing, so that its layer is empty and needs no container. */
export function isEmptyStep(step: Step): boolean {
  switch (step.type) {
    case "apt_install":
    case "pip_install":
      return step.args.packages.length === 0;
    case "run":
      return step.args.commands.length === 0;
    case "env":
      return Object.keys(step.args.vars).length === 0;
    case "start_command":
      return true;
    case "workdir":
    case "add_file":
    case "add_dir":
      return false;
    default:
      return assertNever(step);
  }
}

/** Which package manager downloads in a step; null where none of ours does. */
export function downloadsWith(step: Step): DownloadUser | null {
  if (step.type === "apt_install") return "apt";
  return step.type === "pip_install" ? "pip" : null;
}
