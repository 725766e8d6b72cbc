/** Linux takes so many bytes in one argument or variable, with the NUL that ends it (MAX_ARG_STRLEN). */
const MAX_ARGUMENT_BYTES = 131_072;

/** What is said of one that is longer. */
export const ARGUMENT_LIMIT = `at most ${MAX_ARGUMENT_BYTES - 1} bytes, more than which Linux hands to no command`;

/** Whether a text can be handed to a command: as one argument, or as `NAME=value`. */
export function isArgument(text: string): boolean {
  return Buffer.byteLength(text) < MAX_ARGUMENT_BYTES;
}
