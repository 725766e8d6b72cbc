/** How much structure a JSON text may have, whatever its length. */
export interface JsonBounds {
  /** Arrays and objects inside each other. */
  readonly maxDepth: number;
  /** Arrays, objects and their members, together. */
  readonly maxValues: number;
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * What is too much in a JSON text, in words; undefined where nothing is. Looks at the text before it is parsed: a few
 * megabytes of brackets become a gigabyte of objects. Text that is no JSON may pass, and is refused by the parser.
 */
export function findExcess(text: Buffer, { maxDepth, maxValues }: JsonBounds): string | undefined {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < text.length; at += 1) {
    switch (text[at]) {
      case QUOTE:
        at = endOfString(text, at);
        break;
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        depth += 1;
        values += 1;
        break;
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth -= 1;
        break;
      case COMMA:
        values += 1;
        break;
    }
    if (depth > maxDepth) return `is nested more than ${maxDepth} deep`;
    if (values > maxValues) return `has more than ${maxValues} values`;
  }
  return undefined;
}

/** Where the string ends that begins at `start`. Strings of megabytes are files: those are passed over at native speed. */
function endOfString(text: Buffer, start: number): number {
  for (let from = start + 1; ; ) {
    const quote = text.indexOf(QUOTE, from);
    if (quote === -1) return text.length;
    let before = quote - 1;
    while (text[before] === BACKSLASH && before > start) before -= 1;
    if ((quote - before) % 2 === 1) return quote;
    from = quote + 1;
  }
}
