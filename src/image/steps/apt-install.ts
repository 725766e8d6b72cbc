import { z } from "zod";
import { areArguments, LIST_LIMIT } from "../argument-size";
import type { StepArgs } from "../image-manifest";

const NAME = "[a-z0-9][a-z0-9+.-]+";
const ARCHITECTURE = ":[a-z0-9]+(?:-[a-z0-9]+)*";
const VERSION = String.raw`=(?:\d+:)?[A-Za-z0-9](?:[A-Za-z0-9.+~-]*[A-Za-z0-9.~])?`;
const RELEASE = "/[A-Za-z0-9](?:[A-Za-z0-9.+:~-]*[A-Za-z0-9.~])?";

const REMOVED = /[a-z0-9+.]-($|[:=/])/;
const PACKAGE = new RegExp(`^${NAME}(?:${ARCHITECTURE})?(?:${VERSION}|${RELEASE})?$`);

/** An apt package: name, optional `:architecture`, optional `=version` or `/release` (deb-version(7), apt-get(8)). */
const packageSchema = z
  .string()
  .refine((name) => !REMOVED.test(name), "must not end in '-', which tells apt to remove the package")
  .refine(
    (name) => REMOVED.test(name) || PACKAGE.test(name),
    "is not an apt package; expected a name such as jq, jq=1.6-2.1 or libc6:amd64",
  );

/** System packages, in the order in which they are asked for. */
export const aptInstallSchema = z.strictObject({
  type: z.literal("apt_install"),
  args: z.strictObject({ packages: z.array(packageSchema).refine(areArguments, LIST_LIMIT) }),
});

/** Its arguments in a summary. */
export function describeAptInstall({ packages }: StepArgs<"apt_install">): string {
  return packages.join(" ");
}
