import { type Kysely, type Selectable, sql, type Transaction } from "kysely";
import { type ErrorJson, invalidInput, OpenComputerError } from "../../errors";
import type { CheckpointRoom, CheckpointStore, KeptCheckpoint, SandboxCheckpointRow } from "./checkpoint-store";
import { fromCheckpoint } from "./rows";
import type { Tables } from "./tables";

type Tx = Transaction<Tables>;
type Row = Selectable<Tables["sandbox_checkpoints"]>;

/** One organisation's checkpoints in SQLite; see {@link CheckpointStore}. Every query names the organisation. */
export class SqliteCheckpoints implements CheckpointStore {
  constructor(
    private readonly db: Kysely<Tables>,
    private readonly orgId: string,
  ) {}

  async reserve(row: SandboxCheckpointRow, room: CheckpointRoom): Promise<void> {
    await this.db.transaction().execute(async (tx) => {
      const others = await this.rowsOf(tx, row.sandboxId);
      const same = others.find(({ name }) => name === row.name);
      if (same && same.status !== "failed") throw nameTaken(row);
      // What failed does not keep its name.
      if (same) await tx.deleteFrom("sandbox_checkpoints").where("id", "=", same.id).execute();
      const counted = others.filter(({ kind, status }) => kind === row.kind && status !== "failed");
      const tooMany = counted.length + 1 - room.max;
      if (tooMany > 0 && (!room.deleteOldest || (await this.canGo(tx, row)).length < tooMany)) throw noRoom(row, room);
      await tx.insertInto("sandbox_checkpoints").values(fromRow(this.orgId, row)).execute();
    });
  }

  async complete(id: string, { checkpoint, sizeBytes }: KeptCheckpoint, room: CheckpointRoom): Promise<boolean> {
    return await this.db.transaction().execute(async (tx) => {
      const [row] = await this.rows(tx).where("id", "=", id).execute();
      if (row === undefined) return false;
      await tx.insertInto("checkpoints").values(fromCheckpoint(this.orgId, checkpoint)).execute();
      const change = { status: "ready", size_bytes: sizeBytes } as const;
      await tx.updateTable("sandbox_checkpoints").set(change).where("id", "=", id).execute();
      if (room.deleteOldest) await this.makeRoom(tx, toRow(row), room.max);
      return true;
    });
  }

  async fail(id: string, error: ErrorJson, now: number): Promise<void> {
    await this.db
      .updateTable("sandbox_checkpoints")
      .set({ status: "failed", error: JSON.stringify(error), failed_at: now })
      .where("org_id", "=", this.orgId)
      .where("id", "=", id)
      .execute();
  }

  async get(id: string): Promise<SandboxCheckpointRow | undefined> {
    const [row] = await this.rows(this.db).where("id", "=", id).execute();
    return row && toRow(row);
  }

  async list(sandboxId?: string): Promise<SandboxCheckpointRow[]> {
    const all = this.rows(this.db);
    return (await (sandboxId === undefined ? all : all.where("sandbox_id", "=", sandboxId)).execute()).map(toRow);
  }

  async delete(id: string): Promise<boolean> {
    const { numDeletedRows } = await this.db
      .deleteFrom("sandbox_checkpoints")
      .where("org_id", "=", this.orgId)
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    return numDeletedRows > 0n;
  }

  /** Deletes the oldest that can go until there are no more than `max`; the one that has just been taken stays. */
  private async makeRoom(tx: Tx, taken: SandboxCheckpointRow, max: number): Promise<void> {
    const others = await this.rowsOf(tx, taken.sandboxId);
    const counted = others.filter(({ kind, status }) => kind === taken.kind && status !== "failed");
    const ids = (await this.canGo(tx, taken))
      .filter((id) => id !== taken.id)
      .slice(0, Math.max(counted.length - max, 0));
    if (ids.length > 0) await tx.deleteFrom("sandbox_checkpoints").where("id", "in", ids).execute();
  }

  /** Ids of those of this kind that no sandbox which is not stopped stands on, oldest first. */
  private async canGo(tx: Tx, { sandboxId, kind }: SandboxCheckpointRow): Promise<string[]> {
    const rows = await tx
      .selectFrom("sandbox_checkpoints as c")
      .select("c.id")
      .where("c.org_id", "=", this.orgId)
      .where("c.sandbox_id", "=", sandboxId)
      .where("c.kind", "=", kind)
      .where("c.status", "=", "ready")
      .where(
        sql<boolean>`not exists (select 1 from sandboxes s
          where s.status <> 'stopped' and (s.checkpoint_id = c.id or s.restoring_to = c.id))`,
      )
      .orderBy("c.seq")
      .execute();
    return rows.map(({ id }) => id);
  }

  private async rowsOf(tx: Tx, sandboxId: string): Promise<Row[]> {
    return await this.rows(tx).where("sandbox_id", "=", sandboxId).execute();
  }

  private rows(db: Kysely<Tables>) {
    return db.selectFrom("sandbox_checkpoints").selectAll().where("org_id", "=", this.orgId).orderBy("seq", "desc");
  }
}

function toRow(row: Row): SandboxCheckpointRow {
  return {
    ...{ id: row.id, sandboxId: row.sandbox_id, name: row.name, kind: row.kind, status: row.status },
    ...{ sizeBytes: row.size_bytes, error: row.error === null ? null : JSON.parse(row.error) },
    ...{ source: JSON.parse(row.source), owner: row.owner, createdAt: row.created_at, failedAt: row.failed_at },
  };
}

function fromRow(orgId: string, row: SandboxCheckpointRow) {
  return {
    ...{ id: row.id, org_id: orgId, sandbox_id: row.sandboxId, name: row.name, kind: row.kind, status: row.status },
    ...{ size_bytes: row.sizeBytes, error: row.error && JSON.stringify(row.error), source: JSON.stringify(row.source) },
    ...{ owner: row.owner, created_at: row.createdAt, failed_at: row.failedAt },
  };
}

function nameTaken({ name, sandboxId }: SandboxCheckpointRow): OpenComputerError {
  const message = `sandbox ${sandboxId} has a checkpoint ${name} already; choose another name, or delete that one first`;
  return new OpenComputerError("conflict", message, { details: { name } });
}

function noRoom({ kind, sandboxId }: SandboxCheckpointRow, { max, deleteOldest }: CheckpointRoom): OpenComputerError {
  const advice = deleteOldest
    ? "and too few of them can make way: sandboxes that are not stopped stand on them, or they are not ready yet"
    : 'the most that it may have; delete one, or let the oldest make way with retentionPolicy {"mode":"delete_oldest"}';
  const message = `sandbox ${sandboxId} has ${max} ${kind} checkpoints, ${advice}`;
  return invalidInput("the checkpoint", [{ path: "retentionPolicy", message }]);
}
