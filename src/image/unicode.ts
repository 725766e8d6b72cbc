/** What is said of a text with half of a character. */
export const NOT_UNICODE = "must be Unicode; it has half of a surrogate pair, which no file or command can hold";

/**
 * Whether a text has bytes of its own. What JSON can say of half a character becomes the same bytes for every half, so two
 * images that differ would be one.
 */
export function isUnicode(text: string): boolean {
  return text.isWellFormed();
}
