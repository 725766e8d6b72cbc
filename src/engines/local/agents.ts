import type { AgentChannel } from "./agent-channel";
import { type AgentConnection, openAgentConnection } from "./agent-connection";

/**
 * The agents of all containers that run: one connection each, over which all commands go. A container starts with the
 * agent that is its PID 1. Where that connection is lost (the server was restarted, or something inside broke it), the
 * next command makes another: to PID 1 where it listens on pipes, else to an agent that the runtime's exec starts inside.
 *
 * A memory image may be taken while {@link Agents.hold} does its work; what goes on from it is to be adopted as a channel
 * that was used before.
 */
export interface Agents {
  /** Takes over the channel of a container that has just been started. */
  adopt(id: string, channel: AgentChannel): void;
  /** The connection of a container. @throws what connecting throws, for example where it does not run */
  of(id: string): Promise<AgentConnection>;
  /** See {@link AgentConnection.hold}; where there is no connection, it makes one first. */
  hold<T>(id: string, work: () => Promise<T>): Promise<T>;
  /** Ends the connection of a container; one that has none is fine. */
  drop(id: string): void;
  /** Ends all of them; what runs inside runs on. */
  close(): void;
}

/** The agents of an engine; `connect` makes a channel to a container that runs. */
export function createAgents(connect: (id: string) => Promise<AgentChannel>): Agents {
  const open = new Map<string, AgentConnection>();
  const connecting = new Map<string, Promise<AgentConnection>>();
  const take = (id: string, channel: AgentChannel) => {
    open.get(id)?.close();
    const connection = openAgentConnection(channel, () => {
      if (open.get(id) === connection) open.delete(id);
    });
    open.set(id, connection);
    return connection;
  };
  const reconnect = (id: string) => {
    const attempt: Promise<AgentConnection> = connect(id)
      .then((channel) => {
        const connection = take(id, channel);
        // Dropped meanwhile.
        if (connecting.get(id) !== attempt) connection.close();
        return connection;
      })
      .finally(() => {
        if (connecting.get(id) === attempt) connecting.delete(id);
      });
    connecting.set(id, attempt);
    return attempt;
  };
  const of = async (id: string) => {
    const connection = open.get(id);
    if (connection?.isOpen()) return connection;
    return connecting.get(id) ?? reconnect(id);
  };
  return {
    adopt: take,
    of,
    hold: async (id, work) => (await of(id)).hold(work),
    drop(id) {
      connecting.delete(id);
      open.get(id)?.close();
      open.delete(id);
    },
    close() {
      connecting.clear();
      for (const connection of open.values()) connection.close();
      open.clear();
    },
  };
}
