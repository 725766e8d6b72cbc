/** The newest output of a command, stdout and stderr together up to a limit; older bytes give way. */
export class OutputBuffer {
  private chunks: { readonly name: StreamName; readonly bytes: Buffer }[] = [];
  /** Index of the oldest chunk that is kept. */
  private first = 0;
  private sizeBytes = 0;
  private dropped = false;

  constructor(private readonly limitBytes: number) {}

  append(name: StreamName, bytes: Buffer): void {
    this.chunks.push({ name, bytes });
    this.sizeBytes += bytes.length;
    while (this.sizeBytes > this.limitBytes) this.dropOldest(this.sizeBytes - this.limitBytes);
    // Cut off in large pieces, so that many small chunks do not each move all the others.
    if (this.first < this.chunks.length / 2) return;
    this.chunks = this.chunks.slice(this.first);
    this.first = 0;
  }

  /** One stream's kept bytes as text; what is not UTF-8 is replaced. */
  text(name: StreamName): string {
    const kept = this.chunks.slice(this.first).filter((chunk) => chunk.name === name);
    return Buffer.concat(kept.map((chunk) => chunk.bytes)).toString();
  }

  /** True once older output was dropped. */
  get truncated(): boolean {
    return this.dropped;
  }

  private dropOldest(excess: number): void {
    const oldest = this.chunks[this.first];
    if (oldest === undefined) return;
    this.dropped = true;
    this.sizeBytes -= Math.min(excess, oldest.bytes.length);
    if (excess >= oldest.bytes.length) this.first += 1;
    else this.chunks[this.first] = { name: oldest.name, bytes: oldest.bytes.subarray(excess) };
  }
}

export type StreamName = "stdout" | "stderr";
