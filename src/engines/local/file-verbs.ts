import type { ErrorCode } from "../../errors";
import { AGENT_INSIDE } from "./host-facts";

/**
 * The commands behind the file operations: verbs of the agent (`agent/files.h`), so that nothing depends on what the image
 * has for `cat` or `find`. Each takes a path and runs as root inside.
 */

/** What the verbs' exit codes mean; the path stands before the message. */
export const FILE_ERRORS: Readonly<Record<number, { code: ErrorCode; message: string }>> = {
  40: { code: "not_found", message: "does not exist in the sandbox" },
  41: { code: "invalid_input", message: "is a directory" },
  42: { code: "invalid_input", message: "is not a regular file" },
  43: { code: "invalid_input", message: "is not a directory" },
  44: { code: "aborted", message: "was not written: its content broke off" },
};

/** What a file operation runs. */
export type FileCommand = readonly [string, ...string[]];

/** Prints one byte once the file is found, then its bytes. */
export const readCommand = (path: string): FileCommand => [AGENT_INSIDE, "read", path];

/** Takes a file whole or not at all: only where the seal stands at the end of what comes. */
export const writeCommand = (path: string, seal: string): FileCommand => [AGENT_INSIDE, "write", path, seal];

/** Prints `<type> <size> <name>` and a NUL for each entry; links count as what they point to. */
export const listCommand = (path: string): FileCommand => [AGENT_INSIDE, "list", path];

/** Makes a directory and its missing parents for the owner of the nearest parent that exists. */
export const makeDirCommand = (path: string): FileCommand => [AGENT_INSIDE, "make-dir", path];

/** Removes a file or a whole directory. */
export const removeCommand = (path: string): FileCommand => ["/bin/rm", "-rf", "--", path];
