import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { OpenComputerError } from "../../errors";
import { type AgentCommand, createAgentCommand, type RunningCommand } from "./agent-command";
import {
  type AgentCommandLine,
  type AgentEvent,
  createFrameReader,
  FRAME_START_BYTES,
  frame,
  header,
  numbersFrame,
  startFrame,
} from "./agent-frames";

/**
 * The connection to an agent. Whatever is inside may be at its other end: what makes no sense ends the connection, and
 * with it the commands that run through it, and what is held of it is bounded.
 */
export interface AgentConnection {
  /** Asks for a command. @throws invalid_input where its arguments and environment are too long */
  start(line: Omit<AgentCommandLine, "hasInput">, stdin: Readable | undefined): AgentCommand;
  isOpen(): boolean;
  /** Its commands count as killed; inside they run on. */
  close(): void;
}

/** Takes a socket over; `onClose` is called once when it has ended. An idle connection keeps no process up. */
export function openAgentConnection(socket: Socket, onClose: () => void): AgentConnection {
  const commands = new Map<number, RunningCommand>();
  let lastId = 0;
  const forget = (id: number) => {
    commands.delete(id);
    if (commands.size === 0) socket.unref();
  };
  const handle = (event: AgentEvent): boolean => {
    const makesSense = commands.get(event.id)?.handle(event) ?? false;
    if (event.type === "done") forget(event.id);
    return makesSense;
  };
  const reader = createFrameReader(handle);
  socket.on("data", (chunk: Buffer) => {
    if (!reader.read(chunk)) socket.destroy();
  });
  socket.on("error", () => socket.destroy());
  socket.once("close", () => {
    for (const command of commands.values()) command.lose();
    commands.clear();
    onClose();
  });
  socket.unref();
  const write = (...parts: readonly Buffer[]) => {
    if (socket.destroyed) return;
    socket.cork();
    for (const part of parts) socket.write(part);
    socket.uncork();
  };
  return {
    start(line, stdin) {
      lastId += 1;
      const id = lastId;
      const request = startFrame(id, { ...line, hasInput: stdin !== undefined });
      if (!request) throw tooLong();
      const command = createAgentCommand(
        {
          send: (type, payload) =>
            payload ? write(header(type, id, payload.length), payload) : write(frame(type, id)),
          say: (type, ...numbers) => write(numbersFrame(type, id, ...numbers)),
        },
        stdin,
      );
      if (socket.destroyed) {
        command.lose();
      } else {
        commands.set(id, command);
        socket.ref();
        write(request);
      }
      return command.command;
    },
    isOpen: () => !socket.destroyed,
    close: () => socket.destroy(),
  };
}

function tooLong(): OpenComputerError {
  const message = `the command's arguments and environment are longer than ${FRAME_START_BYTES} bytes; put them in a file`;
  return new OpenComputerError("invalid_input", message);
}
