/** Linux takes so many bytes in one argument or variable, with the NUL that ends it (MAX_ARG_STRLEN). */
const MAX_ARGUMENT_BYTES = 131_072;

/** What is said of one that is longer. */
export const ARGUMENT_LIMIT = `at most ${MAX_ARGUMENT_BYTES - 1} bytes, more than which Linux hands to no command`;

/** Whether a text can be handed to a command: as one argument, or as `NAME=value`. */
export function isArgument(text: string): boolean {
  return Buffer.byteLength(text) < MAX_ARGUMENT_BYTES;
}

/** Linux takes 2 MiB of arguments and variables together; this leaves room for what an engine adds. */
const MAX_LIST_BYTES = 1024 * 1024;
const MAX_ENVIRONMENT_BYTES = 512 * 1024;
/** Of each, with the NUL that ends it. */
const POINTER_BYTES = 8;

/** What is said of arguments, or variables, that are together longer. */
export const LIST_LIMIT = `must have together at most ${MAX_LIST_BYTES} bytes, more than which Linux hands to no command`;
export const ENVIRONMENT_LIMIT = `must have together at most ${MAX_ENVIRONMENT_BYTES} bytes, so that commands can start with them`;

/** Whether texts can be handed to one command, beside its own arguments. */
export function areArguments(texts: readonly string[]): boolean {
  return sizeOf(texts) <= MAX_LIST_BYTES;
}

/** Whether every command can have these variables. */
export function isEnvironment(vars: Readonly<Record<string, string>>): boolean {
  return sizeOf(Object.entries(vars).map(([name, value]) => `${name}=${value}`)) <= MAX_ENVIRONMENT_BYTES;
}

function sizeOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 1 + POINTER_BYTES, 0);
}
