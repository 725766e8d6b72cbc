import Module from "node:module";
import { join } from "node:path";
import { packageRoot } from "../client/package-root";

const NAME = "pulumi-opencomputer";

type ResolveFilename = (request: string, parent: unknown, ...rest: readonly unknown[]) => string;

/**
 * Lets `require` find this package from every folder for the rest of this process: a file that describes an image needs
 * nothing else, so it may stand outside any project. A package that the file's own project has is taken first.
 */
export function offerOwnPackage(): void {
  const loader = Module as unknown as { _resolveFilename: ResolveFilename };
  const resolve = loader._resolveFilename;
  // A package finds itself by its name, for requests that come from inside it.
  const inside = new Module(join(packageRoot(), "index.js"));
  inside.filename = inside.id;
  loader._resolveFilename = (request, parent, ...rest) => {
    try {
      return resolve(request, parent, ...rest);
    } catch (error) {
      if (request !== NAME && !request.startsWith(`${NAME}/`)) throw error;
      return resolve(request, inside);
    }
  };
}

/** What to do about an `import` that does not find this package: {@link offerOwnPackage} is for `require` only. */
export function hintMissingPackage(error: unknown): string | undefined {
  const isMissing = error instanceof Error && error.message.includes(`Cannot find package '${NAME}'`);
  return isMissing ? `install the package beside the file: npm install ${packageRoot()}` : undefined;
}
