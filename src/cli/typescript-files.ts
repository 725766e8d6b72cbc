import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { OpenComputerError } from "../errors";

type Compiler = typeof import("typescript");
type LoadModule = (module: NodeJS.Module, path: string) => void;

/**
 * Lets `require` take TypeScript files for the rest of this process, with the compiler of the user's project: types are
 * dropped, not checked, and any module syntax and style of import works on every Node.js.
 *
 * @throws requirement_missing where neither the project nor this package has TypeScript
 */
export function useTypeScript(file: string): void {
  const compiler = findCompiler(file);
  const load: LoadModule = (module, path) => {
    const { outputText } = compiler.transpileModule(readFileSync(path, "utf8"), {
      fileName: path,
      compilerOptions: {
        module: compiler.ModuleKind.CommonJS,
        target: compiler.ScriptTarget.ES2022,
        esModuleInterop: true,
        inlineSourceMap: true,
      },
    });
    (module as NodeJS.Module & { _compile(code: string, path: string): void })._compile(outputText, path);
  };
  for (const extension of [".ts", ".cts", ".mts"]) require.extensions[extension] = load;
}

function findCompiler(file: string): Compiler {
  for (const from of [createRequire(file), require]) {
    try {
      return from("typescript");
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND")) throw error;
    }
  }
  throw new OpenComputerError(
    "requirement_missing",
    `${file} is TypeScript, and no compiler is at hand; install it beside the file with: npm install typescript`,
  );
}
