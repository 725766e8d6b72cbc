import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findProgram } from "./command.mjs";
import { findPackageManager, installPackages } from "./package-manager.mjs";
import { step } from "./progress.mjs";
import { unpackDebs } from "./unpack-debs.mjs";

/** What the headers are in, with what tells the compiler where they are, where packages are installed. */
const PACKAGES = {
  dnf: ["libseccomp-devel", "pkgconf-pkg-config"],
  pacman: ["libseccomp", "pkgconf"],
  apk: ["libseccomp-dev", "pkgconf"],
};

/**
 * The library that runc makes its system call filters with. From apt it is unpacked into `folder` and becomes part of
 * the program; elsewhere its package is installed.
 *
 * @param {string} folder
 * @returns {Promise<Readonly<Record<string, string>>>} What the compiler has to know.
 */
export async function provideLibseccomp(folder) {
  const manager = findPackageManager();
  if (manager?.name === "apt" && findProgram("dpkg-deb")) return unpackLibseccomp(folder);
  if (manager && manager.name !== "apt") await installPackages(manager, PACKAGES[manager.name]);
  return {};
}

/**
 * In place of pkg-config, which a machine may not have, a script says where the library lies.
 *
 * @param {string} folder
 */
async function unpackLibseccomp(folder) {
  await mkdir(folder, { recursive: true });
  await step("Fetching libseccomp's headers, unpacked: runc is compiled with them", (onLine) =>
    unpackDebs(folder, ["libseccomp-dev"], onLine),
  );
  const [triplet = ""] = await readdir(join(folder, "usr/lib"));
  const [headers, library] = [join(folder, "usr/include"), join(folder, "usr/lib", triplet)];
  const script = join(folder, "pkg-config");
  const text = `#!/bin/sh\ncase $1 in --cflags) echo "-I${headers}" ;; --libs) echo "-L${library} -lseccomp" ;; esac\n`;
  await writeFile(script, text, { mode: 0o755 });
  return { PKG_CONFIG: script, CGO_LDFLAGS: "-static" };
}
