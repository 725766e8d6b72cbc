/** A text without what stands before the host in its URLs: a package may be a URL with a token in it. */
export function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^/@\s]+@/g, "//…@");
}
