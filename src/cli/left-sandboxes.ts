import { readdir } from "node:fs/promises";
import { localHome } from "../engines/local/home";
import { OpenComputerError } from "../errors";

/**
 * The ids of the sandboxes that a home has a folder for: those that run on where no server does, and those that the next
 * server will find ended. Empty also where there is no home.
 *
 * @throws requirement_missing where the home may not be read
 */
export async function leftSandboxes(home: string): Promise<string[]> {
  const folder = localHome(home).sandboxes;
  try {
    return await readdir(folder);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw new OpenComputerError("requirement_missing", `${folder} cannot be read: ${String(error)}`, { cause: error });
  }
}
