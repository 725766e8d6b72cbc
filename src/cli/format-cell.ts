/** In UTC, without what nobody looks at: `2026-05-04T10:20Z`. What is no time is shown as it is. */
export function toMinute(time: string | null | undefined): string | undefined {
  if (!time) return undefined;
  return Number.isNaN(Date.parse(time)) ? time : `${new Date(time).toISOString().slice(0, 16)}Z`;
}

/** As many digits of a contentHash as a reference to it needs. */
export function toShortHash(contentHash: string): string {
  return contentHash.slice(0, 12);
}

/** Labels or tags as they are typed: `team=red,stage=dev`; undefined where there are none. */
export function toPairs(pairs: Readonly<Record<string, string>> = {}): string | undefined {
  return toWords(Object.entries(pairs).map(([name, value]) => `${name}=${value}`));
}

/** Words in one cell, without a space between them; undefined where there are none. */
export function toWords(words: readonly string[] = []): string | undefined {
  return words.length === 0 ? undefined : words.join(",");
}

/** How many, in words: `1 sandbox`, `2 sandboxes`. */
export function count(items: readonly unknown[], one: string, several: string): string {
  return `${items.length} ${items.length === 1 ? one : several}`;
}
