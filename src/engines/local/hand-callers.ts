import { rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { OpenComputerError } from "../../errors";

/**
 * The programs that the hand runs connected to us. Each connection begins with the number of the request that it belongs
 * to; only root can make one.
 */
export interface HandCallers {
  /** Where they are waited for. */
  path(): Promise<string>;
  /** The connection of a request. @throws internal where it does not come */
  take(number: number): Promise<Socket>;
  /** Ends the connection of a request, also where it is still to come. */
  refuse(number: number): void;
  close(): void;
}

/** A connection is made before its program begins. */
const PATIENCE_MS = 10_000;
const NUMBER_BYTES = 4;

/** Callers at a socket of this path; one that is there was left by a server that is gone. */
export function createHandCallers(path: string): HandCallers {
  const come = new Map<number, Socket>();
  const awaited = new Map<number, (socket: Socket) => void>();
  let listening: Promise<Server> | undefined;
  const arrive = (number: number, socket: Socket) => {
    const deliver = awaited.get(number);
    if (deliver) deliver(socket);
    else come.set(number, socket);
  };
  const callers: HandCallers = {
    async path() {
      listening ??= listen(path, (socket) => readNumber(socket, arrive));
      await listening;
      return path;
    },
    take: (number) =>
      new Promise((resolve, reject) => {
        const settle = (socket: Socket | undefined) => {
          clearTimeout(timer);
          come.delete(number);
          awaited.delete(number);
          if (socket) resolve(socket);
          else reject(new OpenComputerError("internal", `a program that was started did not connect to ${path}`));
        };
        const timer = setTimeout(() => settle(undefined), PATIENCE_MS).unref();
        const socket = come.get(number);
        if (socket) settle(socket);
        else awaited.set(number, settle);
      }),
    refuse(number) {
      callers.take(number).then(
        (socket) => socket.destroy(),
        () => undefined,
      );
    },
    close() {
      void listening?.then((server) => server.close());
      for (const socket of come.values()) socket.destroy();
    },
  };
  return callers;
}

async function listen(path: string, onSocket: (socket: Socket) => void): Promise<Server> {
  await rm(path, { force: true });
  const server = createServer(onSocket);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path, backlog: 511 }, resolve);
  });
  return server.unref();
}

/** Takes the number off and leaves the rest, and the flow, to whoever gets the socket. */
function readNumber(socket: Socket, arrive: (number: number, socket: Socket) => void): void {
  const read = () => {
    const bytes: Buffer | null = socket.read(NUMBER_BYTES);
    if (bytes === null) return;
    socket.off("readable", read);
    socket.off("error", ignore);
    arrive(bytes.readUInt32LE(0), socket);
  };
  socket.on("error", ignore);
  socket.on("readable", read);
}

/** What breaks before it has a number is missed by whoever waits for it. */
function ignore(): void {}
