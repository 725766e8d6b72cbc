/** Orders texts by the bytes of their UTF-8 form, whatever the locale. @example ["b", "a"].sort(compareBytes) */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
