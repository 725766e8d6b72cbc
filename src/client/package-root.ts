import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { OpenComputerError } from "../errors";

/** The folder of this package, whether its sources run or what was built from them. @throws internal */
export function packageRoot(): string {
  for (let folder = __dirname; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
  }
  throw new OpenComputerError("internal", `no package.json above ${__dirname}; install pulumi-opencomputer again`);
}

/** The command's main file, built. @throws requirement_missing where the package was never built */
export function commandFile(): string {
  const file = join(packageRoot(), "dist", "src", "cli", "main.js");
  if (existsSync(file)) return file;
  throw new OpenComputerError(
    "requirement_missing",
    `the embedded server needs ${file}, which is not there; run npm run build in ${packageRoot()}`,
  );
}
