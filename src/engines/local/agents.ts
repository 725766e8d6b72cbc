import type { Socket } from "node:net";
import { type AgentConnection, openAgentConnection } from "./agent-connection";

/**
 * The agents of all containers that run: one connection each, over which all commands go. A container starts with the
 * agent that is its PID 1. Where that connection is lost (the server was restarted, or something inside broke it), the
 * next command starts another agent inside, through the runtime's exec.
 *
 * A memory image must hold no connection, because nobody is at its other end when a container goes on from it: `drop` it
 * before the image is taken. The commands that ran through it count as killed for their callers, and run on inside. In the
 * source as in whatever goes on from the image, the next `of` starts a new agent.
 */
export interface Agents {
  /** Takes over the socket of a container that has just been started. */
  adopt(id: string, socket: Socket): void;
  /** The connection of a container. @throws what the runtime's exec throws, for example where it does not run */
  of(id: string): Promise<AgentConnection>;
  /** Ends the connection of a container; one that has none is fine. */
  drop(id: string): void;
  /** Ends all of them; what runs inside runs on. */
  close(): void;
}

/** The agents of an engine; `connect` starts one beside PID 1 and returns the socket to it. */
export function createAgents(connect: (id: string) => Promise<Socket>): Agents {
  const open = new Map<string, AgentConnection>();
  const connecting = new Map<string, Promise<AgentConnection>>();
  const take = (id: string, socket: Socket) => {
    open.get(id)?.close();
    const connection = openAgentConnection(socket, () => {
      if (open.get(id) === connection) open.delete(id);
    });
    open.set(id, connection);
    return connection;
  };
  const reconnect = (id: string) => {
    const attempt = connect(id)
      .then((socket) => take(id, socket))
      .finally(() => connecting.delete(id));
    connecting.set(id, attempt);
    return attempt;
  };
  return {
    adopt: take,
    async of(id) {
      const connection = open.get(id);
      if (connection?.isOpen()) return connection;
      return connecting.get(id) ?? reconnect(id);
    },
    drop(id) {
      open.get(id)?.close();
      open.delete(id);
    },
    close() {
      for (const connection of open.values()) connection.close();
      open.clear();
    },
  };
}
