import { type Migration, sql } from "kysely";

/**
 * A migration that adds columns, and fills them. All or nothing, and again is fine, as a crash may want it: a table that
 * has the first of them has had it done.
 */
export function addedColumns(table: string, first: string, statements: readonly string[]): Migration {
  return {
    async up(db) {
      await db.transaction().execute(async (tx) => {
        const done = await sql`select 1 from pragma_table_info(${table}) where name = ${first}`.execute(tx);
        if (done.rows.length > 0) return;
        for (const statement of statements) await sql.raw(statement).execute(tx);
      });
    },
  };
}
