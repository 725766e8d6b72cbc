/** One column of a list: its head, and what an item has there; undefined is shown as `-`. */
export interface Column<T> {
  readonly head: string;
  readonly cell: (item: T) => string | undefined;
  /** True: the column is left out where no item has anything there. Default false. */
  readonly optional?: boolean;
}

/**
 * Items as a table.
 *
 * @example formatList([{ n: "a" }], [{ head: "NAME", cell: ({ n }) => n }]) // "NAME\na"
 */
export function formatList<T>(items: readonly T[], columns: readonly Column<T>[]): string {
  const shown = columns.filter(({ cell, optional }) => !optional || items.some((item) => cell(item) !== undefined));
  return formatTable(
    shown.map(({ head }) => head),
    items.map((item) => shown.map(({ cell }) => cell(item) ?? "-")),
  );
}

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
