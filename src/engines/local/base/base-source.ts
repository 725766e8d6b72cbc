import { resolve } from "node:path";
import { OpenComputerError } from "../../../errors";

/** Where a base root filesystem comes from: the value of `OPENCOMPUTER_BASE`, parsed. */
export type BaseSource =
  /** Nothing was asked for: Ubuntu 22.04 where it can be had, else the distribution at hand. */
  | { readonly kind: "default" }
  /** An archive of a root filesystem, with any compression that tar knows. */
  | { readonly kind: "tar"; readonly path: string }
  /** A directory that holds a root filesystem; it is copied, never changed. */
  | { readonly kind: "dir"; readonly path: string }
  /** A release of Debian or Ubuntu, installed from packages. */
  | { readonly kind: "mmdebstrap"; readonly suite: string }
  /** An image in a registry, or in a local store that skopeo can read. */
  | { readonly kind: "oci"; readonly ref: string };

const FORMS = [
  "tar:PATH (an archive of a root filesystem)",
  "dir:PATH (a directory that holds one)",
  "mmdebstrap:SUITE (for example mmdebstrap:bookworm)",
  "oci:REF (for example oci:docker.io/library/ubuntu:22.04, or oci:oci:/path/to/layout:tag)",
];

/**
 * Parses `OPENCOMPUTER_BASE`. Undefined and the empty string mean the default; relative paths start at the working
 * directory.
 *
 * @example parseBaseSource("mmdebstrap:jammy") // { kind: "mmdebstrap", suite: "jammy" }
 * @throws invalid_input listing the forms
 */
export function parseBaseSource(value: string | undefined): BaseSource {
  if (value === undefined || value === "") return { kind: "default" };
  const colon = value.indexOf(":");
  const rest = value.slice(colon + 1);
  if (colon < 1 || rest === "" || /[\0\n]/.test(rest)) throw unknownForm(value);
  switch (value.slice(0, colon)) {
    case "tar":
      return { kind: "tar", path: resolve(rest) };
    case "dir":
      return { kind: "dir", path: resolve(rest) };
    case "mmdebstrap":
      if (!/^[a-z][a-z0-9-]*$/.test(rest)) throw unknownForm(value);
      return { kind: "mmdebstrap", suite: rest };
    case "oci":
      // A reference goes to a command line as one argument; it must not look like an option.
      if (/^-|\s/.test(rest)) throw unknownForm(value);
      return { kind: "oci", ref: rest };
    default:
      throw unknownForm(value);
  }
}

function unknownForm(value: string): OpenComputerError {
  const forms = FORMS.map((form) => `  ${form}`).join("\n");
  return new OpenComputerError(
    "invalid_input",
    `OPENCOMPUTER_BASE is ${JSON.stringify(value)}, which names no base root filesystem. Use one of\n${forms}\nor leave it unset.`,
  );
}
