import { z } from "zod";
import { assertNever } from "../errors";
import { withoutCredentials } from "./credentials";
import type { Step } from "./image-manifest";
import { addDirSchema, describeAddDir } from "./steps/add-dir";
import { addFileSchema, describeAddFile } from "./steps/add-file";
import { aptInstallSchema, describeAptInstall } from "./steps/apt-install";
import { describeEnv, envStepSchema } from "./steps/env";
import { describePipInstall, pipInstallSchema } from "./steps/pip-install";
import { describeRun, runSchema } from "./steps/run";
import { describeStartCommand, startCommandSchema } from "./steps/start-command";
import { describeWorkdir, workdirSchema } from "./steps/workdir";

/**
 * The steps of a manifest, one file of `steps/` each. They are the wire's steps (`{type, args}`) in canonical form: files
 * stand by digest, never by content. The schemas are closed: an unknown member is an error, not a surprise later.
 */
export const stepSchema = z.discriminatedUnion("type", [
  aptInstallSchema,
  pipInstallSchema,
  runSchema,
  envStepSchema,
  workdirSchema,
  addFileSchema,
  addDirSchema,
  startCommandSchema,
]) satisfies z.ZodType<Step>;

/**
 * One line for people: `pip_install pandas polars==1.9`. Values of environment variables and credentials in URLs are
 * left out: a log is no place for them.
 *
 * @param maxLength in characters; what is longer is cut. Default 100
 */
export function summariseStep(step: Step, maxLength = 100): string {
  const text = withoutCredentials(`${step.type} ${describeArgs(step)}`)
    .trimEnd()
    .replace(/\s+/g, " ");
  return text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`;
}

function describeArgs(step: Step): string {
  switch (step.type) {
    case "apt_install":
      return describeAptInstall(step.args);
    case "pip_install":
      return describePipInstall(step.args);
    case "run":
      return describeRun(step.args);
    case "env":
      return describeEnv(step.args);
    case "workdir":
      return describeWorkdir(step.args);
    case "add_file":
      return describeAddFile(step.args);
    case "add_dir":
      return describeAddDir(step.args);
    case "start_command":
      return describeStartCommand(step.args);
    default:
      return assertNever(step);
  }
}
