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
  // Stacks then tell the lines of the source, not of what was made from it.
  process.setSourceMapsEnabled(true);
  const load: LoadModule = (module, path) => {
    const { outputText, diagnostics = [] } = compiler.transpileModule(readFileSync(path, "utf8"), {
      fileName: path,
      reportDiagnostics: true,
      compilerOptions: {
        module: compiler.ModuleKind.CommonJS,
        target: compiler.ScriptTarget.ES2022,
        esModuleInterop: true,
        inlineSourceMap: true,
      },
    });
    for (const diagnostic of diagnostics) throw toSyntaxError(compiler, path, diagnostic);
    (module as NodeJS.Module & { _compile(code: string, path: string): void })._compile(outputText, path);
  };
  for (const extension of [".ts", ".cts", ".mts"]) require.extensions[extension] = load;
}

/** Told as Node.js tells its own: the place at the head of the stack. */
function toSyntaxError(
  compiler: Compiler,
  path: string,
  { file, start = 0, messageText }: import("typescript").Diagnostic,
): SyntaxError {
  const error = new SyntaxError(compiler.flattenDiagnosticMessageText(messageText, "\n"));
  const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 1;
  error.stack = `${path}:${line}\n${error.stack}`;
  return error;
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
