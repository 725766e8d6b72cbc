import type { RetentionRule, SnapshotRow } from "../../src/server/store/snapshot-store";

/** One version as a reader sees it. */
export type Seen = Pick<SnapshotRow, "version" | "contentHash" | "status" | "current" | "tags">;

interface ModelVersion {
  readonly version: number;
  readonly contentHash: string;
  status: SnapshotRow["status"];
  supersededAt: number;
}

/** What the store must do with one name, told as simply as possible: lists that are filtered, no SQL, no transactions. */
export class SnapshotModel {
  retention: RetentionRule = {};
  private versions: ModelVersion[] = [];
  private tags = new Map<string, number>();
  private current = 1;
  private next = 1;

  publish(contentHash: string, now: number): void {
    const made = this.reserve(contentHash);
    made.status = "ready";
    this.keep((version) => version.status !== "failed");
    this.promote(made.version, now);
  }

  reserve(contentHash: string): ModelVersion {
    const same = this.versions.find((version) => version.contentHash === contentHash);
    if (same?.status === "failed") same.status = "building";
    if (same) return same;
    const made: ModelVersion = { version: this.next++, contentHash, status: "building", supersededAt: 0 };
    this.versions.push(made);
    return made;
  }

  fail(number: number): void {
    const found = this.versions.find(({ version, status }) => version === number && status === "building");
    if (found) found.status = "failed";
  }

  promote(number: number, now: number): boolean {
    if (!this.versions.some(({ version, status }) => version === number && status === "ready")) return false;
    const before = this.versions.find(({ version }) => version === this.current);
    if (before && this.current !== number) before.supersededAt = now;
    this.current = number;
    this.sweep(now);
    return true;
  }

  sweep(now: number): void {
    const { keepLast = 1, ttlSeconds = Number.POSITIVE_INFINITY } = this.retention;
    const tagged = new Set(this.tags.values());
    const superseded = this.versions
      .filter(({ version, status }) => version !== this.current && status === "ready" && !tagged.has(version))
      .sort((a, b) => b.supersededAt - a.supersededAt || b.version - a.version);
    const gone = superseded.filter((one, place) => place >= keepLast || one.supersededAt + ttlSeconds * 1000 <= now);
    this.keep((version) => !gone.includes(version));
  }

  tag(number: number, tag: string): boolean {
    if (!this.versions.some(({ version }) => version === number)) return false;
    this.tags.set(tag, number);
    return true;
  }

  untag(tag: string): boolean {
    return this.tags.delete(tag);
  }

  deleteVersion(number: number): boolean | "conflict" {
    if (!this.versions.some(({ version }) => version === number)) return false;
    if (number === this.current && this.versions.length > 1) return "conflict";
    this.keep(({ version }) => version !== number);
    return true;
  }

  /** Newest first, as the store lists them. */
  see(): Seen[] {
    const seen = this.versions.map(({ version, contentHash, status }) => {
      const tags = [...this.tags].filter(([, number]) => number === version).map(([tag]) => tag);
      return { version, contentHash, status, current: version === this.current, tags: tags.sort() };
    });
    return seen.sort((a, b) => b.version - a.version);
  }

  private keep(isKept: (version: ModelVersion) => boolean): void {
    this.versions = this.versions.filter(isKept);
    for (const [tag, number] of this.tags)
      if (!this.versions.some(({ version }) => version === number)) this.tags.delete(tag);
    if (this.versions.length > 0) return;
    // Nothing is left of a name without versions.
    this.retention = {};
    this.current = 1;
    this.next = 1;
  }
}
