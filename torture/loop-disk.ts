import { execFile } from "node:child_process";
import { mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "../src/client/package-root";
import type { TortureRun } from "./torture-run";

const LIMIT_MS = 60_000;

export interface LoopDiskOptions {
  readonly megabytes: number;
  /** How many files and directories fit. Default: as many as the size suggests. */
  readonly inodes?: number;
}

/** A disk of our own: ext4 in a file, mounted on a directory of the run. It can lose power, and it can be full. */
export class LoopDisk {
  private device = "";
  private generation = 0;

  private constructor(
    /** Where it is mounted. */
    readonly dir: string,
    private readonly workDir: string,
  ) {}

  /** Makes one, mounted on `dir`; it goes with the run. */
  static async make(run: TortureRun, dir: string, { megabytes, inodes }: LoopDiskOptions): Promise<LoopDisk> {
    const disk = new LoopDisk(dir, `${dir}.disk`);
    for (const folder of [dir, disk.workDir]) await mkdir(folder, { recursive: true });
    await writeFile(disk.file, "");
    await truncate(disk.file, megabytes * 1024 * 1024);
    await tool("cc", "-o", disk.powerCut, join(packageRoot(), "torture", "power-cut.c"));
    const few = inodes === undefined ? [] : ["-N", String(inodes)];
    await tool("mkfs.ext4", "-q", "-F", "-m", "0", ...few, disk.file);
    run.defer(() => disk.remove());
    await disk.mount();
    return disk;
  }

  /** From now on nothing more reaches the disk, and what did not reach it is lost. */
  async cutPower(): Promise<void> {
    await tool(this.powerCut, this.dir);
  }

  /**
   * Mounts what a cut has left. On a copy of the disk, because the kernel keeps the old one, dead, as long as any mount
   * namespace of the machine knows it.
   */
  async restorePower(): Promise<void> {
    const before = this.file;
    this.generation += 1;
    await tool("cp", "--sparse=always", before, this.file);
    await this.unmount();
    await rm(before);
    await this.mount();
  }

  async remove(): Promise<void> {
    await this.unmount();
    await rm(this.workDir, { recursive: true, force: true });
  }

  private get file(): string {
    return join(this.workDir, `disk-${this.generation}.img`);
  }

  private get powerCut(): string {
    return join(this.workDir, "power-cut");
  }

  private async mount(): Promise<void> {
    this.device = (await tool("losetup", "--find", "--show", this.file)).trim();
    await tool("mount", "-t", "ext4", this.device, this.dir);
  }

  /** Both let go as soon as nobody uses it any more. */
  private async unmount(): Promise<void> {
    if (this.device === "") return;
    await tool("umount", "--lazy", this.dir);
    await tool("losetup", "--detach", this.device);
    this.device = "";
  }
}

async function tool(program: string, ...argv: string[]): Promise<string> {
  return (await promisify(execFile)(program, argv, { timeout: LIMIT_MS })).stdout;
}
