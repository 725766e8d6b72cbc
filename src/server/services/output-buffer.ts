/** Each command keeps so much of its output, however much others keep. */
const ALWAYS_KEPT_BYTES = 64 * 1024;
/** Output is kept in blocks that grow: a program that prints byte by byte costs little more than what it prints. */
const SMALLEST_BLOCK_BYTES = 256;
const LARGEST_BLOCK_BYTES = 16 * 1024;
/** Results of commands that are over and may still be asked for. */
const RESULTS_KEPT = 2_000;

/** What the commands of one organisation may keep in memory together. */
export class OutputPool {
  private usedBytes = 0;
  private readonly results: (() => void)[] = [];

  constructor(private readonly limitBytes: number) {}

  get freeBytes(): number {
    return Math.max(0, this.limitBytes - this.usedBytes);
  }

  /** A buffer has become larger, or smaller. */
  add(bytes: number): void {
    this.usedBytes += bytes;
  }

  /** Keeps a result until there are too many, then has the oldest forgotten. */
  keepResult(forget: () => void): void {
    this.results.push(forget);
    if (this.results.length > RESULTS_KEPT) this.results.shift()?.();
  }
}

/**
 * The newest output of a command, stdout and stderr together up to a limit; older bytes give way. Where the pool that it
 * shares with others is empty, the limit is 64 KiB.
 */
export class OutputBuffer {
  private readonly streams: Readonly<Record<StreamName, Block[]>> = { stdout: [], stderr: [] };
  /** All bytes that ever came: the age of blocks. */
  private appendedBytes = 0;
  private sizeBytes = 0;
  private dropped = false;
  private released = false;

  constructor(
    private readonly limitBytes: number,
    private readonly pool: OutputPool,
  ) {}

  append(name: StreamName, bytes: Buffer): void {
    if (this.released) return;
    // Of what is longer than all that is kept, only the end is copied.
    const kept = bytes.subarray(Math.max(0, bytes.length - this.limitBytes));
    if (kept.length < bytes.length) this.dropped = true;
    const room = Math.min(this.limitBytes, Math.max(ALWAYS_KEPT_BYTES, this.sizeBytes + this.pool.freeBytes));
    for (let at = 0; at < kept.length; ) at += this.fill(name, kept.subarray(at));
    this.sizeBytes += kept.length;
    while (this.sizeBytes > room) this.dropOldest(this.sizeBytes - room);
  }

  /** One stream's kept bytes as text; what is not UTF-8 is replaced. */
  text(name: StreamName): string {
    return Buffer.concat(this.streams[name].map(({ bytes, from, to }) => bytes.subarray(from, to))).toString();
  }

  /** True once older output was dropped. */
  get truncated(): boolean {
    return this.dropped;
  }

  /** Nobody will ask any more: gives back what it holds. Again is fine. */
  release(): void {
    if (this.released) return;
    this.released = true;
    for (const { bytes } of Object.values(this.streams).flat()) this.pool.add(-bytes.length);
  }

  /** Copies as much as the newest block takes, and says how much that was. */
  private fill(name: StreamName, bytes: Buffer): number {
    const stream = this.streams[name];
    const last = stream.at(-1);
    const block = last !== undefined && this.isOpen(last) ? last : this.addBlock(stream, bytes.length);
    const copied = bytes.copy(block.bytes, block.to);
    block.to += copied;
    this.appendedBytes += copied;
    return copied;
  }

  /** While it has room, unless much has come on the other stream since: it goes as old as its beginning is. */
  private isOpen({ begunAt, bytes, to }: Block): boolean {
    return to < bytes.length && this.appendedBytes - begunAt < 2 * bytes.length;
  }

  private addBlock(stream: Block[], atLeastBytes: number): Block {
    const grown = Math.max(SMALLEST_BLOCK_BYTES, 2 * (stream.at(-1)?.bytes.length ?? 0), atLeastBytes);
    const bytes = Buffer.allocUnsafeSlow(Math.min(LARGEST_BLOCK_BYTES, grown));
    const block = { begunAt: this.appendedBytes, bytes, from: 0, to: 0 };
    this.pool.add(bytes.length);
    stream.push(block);
    return block;
  }

  private dropOldest(excess: number): void {
    const { stdout, stderr } = this.streams;
    const isOut = stderr[0] === undefined || (stdout[0] !== undefined && stdout[0].begunAt < stderr[0].begunAt);
    const stream = isOut ? stdout : stderr;
    const [oldest] = stream;
    if (oldest === undefined) return;
    this.dropped = true;
    const gone = Math.min(excess, oldest.to - oldest.from);
    this.sizeBytes -= gone;
    oldest.from += gone;
    if (oldest.from < oldest.to) return;
    stream.shift();
    this.pool.add(-oldest.bytes.length);
  }
}

export type StreamName = "stdout" | "stderr";

interface Block {
  /** How many bytes had come before. */
  readonly begunAt: number;
  readonly bytes: Buffer;
  from: number;
  to: number;
}
