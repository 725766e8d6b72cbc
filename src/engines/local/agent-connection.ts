import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { OpenComputerError } from "../../errors";
import type { AgentChannel } from "./agent-channel";
import { type AgentCommand, createAgentCommand, type RunningCommand } from "./agent-command";
import {
  type AgentCommandLine,
  type AgentEvent,
  createFrameReader,
  FRAME,
  FRAME_START_BYTES,
  frame,
  header,
  numbersFrame,
  RESET_BYTES,
  startFrame,
} from "./agent-frames";
import { type AgentLine, createAgentLine } from "./agent-line";

/**
 * The connection to an agent. Whatever is inside may be at its other end: what makes no sense ends the connection, and
 * with it the commands that run through it, and what is held of it is bounded.
 */
export interface AgentConnection {
  /** Asks for a command. @throws invalid_input where its arguments and environment are too long */
  start(line: Omit<AgentCommandLine, "hasInput">, stdin: Readable | undefined): AgentCommand;
  /**
   * Does something while the agent has read all that we said, and hears nothing more: so a memory image that is taken
   * meanwhile holds no half of a frame. Commands run on, and are heard.
   *
   * @throws timeout where the agent does not answer
   */
  hold<T>(work: () => Promise<T>): Promise<T>;
  isOpen(): boolean;
  /** Its commands count as killed; inside they run on. */
  close(): void;
}

const HOLD_TIMEOUT_MS = 10_000;
/** More than pipes and buffers hold of what was meant for somebody else. */
const MAX_SKIPPED_BYTES = 4 * 1024 * 1024;

/** Takes a channel over; `onClose` is called once when it has ended. An idle connection keeps no process up. */
export function openAgentConnection(channel: AgentChannel, onClose: () => void): AgentConnection {
  const commands = new Map<number, RunningCommand>();
  const line = createAgentLine(channel);
  let lastId = 0;
  let onSynced = () => {};
  const forget = (id: number) => {
    commands.delete(id);
    if (commands.size === 0) line.unref();
  };
  const handle = (event: AgentEvent): boolean => {
    if (event.type === "synced") {
      onSynced();
      return true;
    }
    const makesSense = commands.get(event.id)?.handle(event) ?? false;
    if (event.type === "done") forget(event.id);
    return makesSense;
  };
  const reader = createFrameReader(handle);
  const skip = channel.isUsed ? resetAgent(line) : (chunk: Buffer) => chunk;
  channel.from.on("data", (chunk: Buffer) => {
    const bytes = skip(chunk);
    if (bytes === null || !reader.read(bytes)) line.destroy();
  });
  line.onceClosed(() => {
    for (const command of commands.values()) command.lose();
    commands.clear();
    onClose();
  });
  line.unref();
  return {
    start(commandLine, stdin) {
      lastId += 1;
      const id = lastId;
      const request = startFrame(id, { ...commandLine, hasInput: stdin !== undefined });
      if (!request) throw tooLong();
      const command = createAgentCommand(
        {
          send: (type, payload) =>
            payload ? line.write(header(type, id, payload.length), payload) : line.write(frame(type, id)),
          say: (type, ...numbers) => line.write(numbersFrame(type, id, ...numbers)),
        },
        stdin,
      );
      if (line.isClosed()) {
        command.lose();
      } else {
        commands.set(id, command);
        line.ref();
        line.write(request);
      }
      return command.command;
    },
    async hold(work) {
      const synced = new Promise<void>((resolve) => {
        onSynced = resolve;
      });
      line.write(frame(FRAME.sync, 0));
      line.pause();
      try {
        await withLimit(synced);
        return await work();
      } finally {
        line.resume();
      }
    },
    isOpen: () => !line.isClosed(),
    close: () => line.destroy(),
  };
}

/** Tells an agent to forget those before us; returns what takes what it still says to them out of what comes. */
function resetAgent(line: AgentLine): (chunk: Buffer) => Buffer | null {
  const mark = randomBytes(RESET_BYTES);
  line.write(frame(FRAME.reset, 0, mark));
  let skipped = 0;
  let isFound = false;
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    if (isFound) return chunk;
    rest = Buffer.concat([rest, chunk]);
    const at = rest.indexOf(mark);
    isFound = at !== -1;
    if (isFound) return rest.subarray(at + RESET_BYTES);
    skipped += chunk.length;
    rest = rest.subarray(Math.max(0, rest.length - RESET_BYTES));
    return skipped > MAX_SKIPPED_BYTES ? null : Buffer.alloc(0);
  };
}

async function withLimit(synced: Promise<void>): Promise<void> {
  const controller = new AbortController();
  const limit = sleep(HOLD_TIMEOUT_MS, undefined, { signal: controller.signal, ref: false }).then(() => {
    const message = `the sandbox's agent did not answer within ${HOLD_TIMEOUT_MS / 1000} s`;
    throw new OpenComputerError("timeout", message);
  });
  limit.catch(() => undefined);
  await Promise.race([synced, limit]).finally(() => controller.abort());
}

function tooLong(): OpenComputerError {
  const message = `the command's arguments and environment are longer than ${FRAME_START_BYTES} bytes; put them in a file`;
  return new OpenComputerError("invalid_input", message);
}
