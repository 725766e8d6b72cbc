/** Rows as aligned columns, the head first; nothing but spaces between them, so that `awk` can read it. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** JSON for programs: indented, so that people can read it too. */
export function formatJson(value: unknown): string {
  return JSON.stringify(value, null, 2);
}
