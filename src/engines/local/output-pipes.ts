import { randomBytes } from "node:crypto";
import { close, constants, fchown, open } from "node:fs";
import { unlink } from "node:fs/promises";
import { Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { runCommand } from "./command";

/**
 * Real pipes for the output of commands. What Node calls a pipe is a socket: a program cannot open /dev/stdout on it
 * again, and scripts do. Through a pipe of ours that the command itself writes to, everything it wrote is at our end the
 * moment it ends, with no copying process in between that could be late.
 */
export interface OutputPipes {
  /** A pipe that belongs to this host user. */
  take(owner: { uid: number; gid: number }): Promise<OutputPipe>;
}

export interface OutputPipe {
  readonly source: Socket;
  /** Descriptor to hand to a child. */
  readonly writeEnd: number;
  /**
   * Leads into the same pipe, opened on its own. gVisor makes what it is given non-blocking, and a command that got the
   * same opening by another number would see that: its writes would fail where the pipe is full.
   */
  readonly otherWriteEnd: number;
  /** Closes our copies of the write ends; call it once the child has them. */
  handedOver(): Promise<void>;
}

/** Pipes are made many at a time, because making one takes a process. */
const BATCH = 16;

const openFile = promisify(open);
const closeFile = promisify(close);
const chownFile = promisify(fchown);

/** Pipes that exist in `dir` by name only until they are taken. */
export function createOutputPipes(dir: string): OutputPipes {
  const ready: string[] = [];
  const refill = async () => {
    const names = Array.from({ length: BATCH }, () => join(dir, `pipe-${randomBytes(8).toString("hex")}`));
    await runCommand("mkfifo", ["-m", "600", ...names]);
    ready.push(...names);
  };
  return {
    async take(owner) {
      while (ready.length === 0) await refill();
      return openPipe(ready.pop() ?? "", owner);
    },
  };
}

async function openPipe(name: string, owner: { uid: number; gid: number }): Promise<OutputPipe> {
  // The reading end first: without it, opening the other one waits.
  const readEnd = await openFile(name, constants.O_RDONLY | constants.O_NONBLOCK);
  const [writeEnd, otherWriteEnd] = [
    await openFile(name, constants.O_WRONLY),
    await openFile(name, constants.O_WRONLY),
  ];
  await chownFile(writeEnd, owner.uid, owner.gid);
  await unlink(name);
  const source = new Socket({ fd: readEnd, readable: true, writable: false });
  const handedOver = async () => {
    await Promise.all([closeFile(writeEnd), closeFile(otherWriteEnd)]);
  };
  return { source, writeEnd, otherWriteEnd, handedOver };
}
