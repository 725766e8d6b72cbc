import type { Server } from "node:net";

/**
 * Tells when an operation is cancelled. Pulumi's dynamic-provider program answers the engine's `Cancel` with nothing and
 * tells its providers nothing; but we live in its process, where its HTTP/2 server can be found among the open handles, and
 * see the call come in. A CLI that is killed cannot even call: then the engine's connections close, and nobody is left to
 * work for, so the process ends, too, once what was cancelled has had its time.
 *
 * Where there is no such server (a test, another host), the signal never fires and nothing else changes.
 *
 * @example lifelineSignal().aborted // false
 */
export function lifelineSignal(): AbortSignal {
  if (!watched) watchServer();
  return controller.signal;
}

const CANCEL_PATH = "/pulumirpc.ResourceProvider/Cancel";
/** For sandboxes to be killed and connections to be closed. Where the engine is alive, it ends this process sooner. */
const EXIT_DELAY_MS = 5_000;

const controller = new AbortController();
let watched = false;

/** Node.js knows its open handles and documents no way to ask for them. */
interface ProcessWithHandles {
  _getActiveHandles?(): readonly unknown[];
}

interface OpenSocket {
  readonly localPort?: number;
  readonly remotePort?: number;
  once(event: "close", listener: () => void): unknown;
}

function watchServer(): void {
  watched = true;
  const handles = (process as ProcessWithHandles)._getActiveHandles?.() ?? [];
  const server = handles.find((handle): handle is Server => handle?.constructor?.name === "Http2Server");
  const address = server?.address();
  if (server === undefined || typeof address !== "object" || address === null) return;
  server.on("stream", (_stream: unknown, headers: Readonly<Record<string, unknown>>) => {
    if (headers[":path"] === CANCEL_PATH) controller.abort();
  });
  const open = new Set<OpenSocket>();
  const watch = (socket: OpenSocket) => {
    open.add(socket);
    socket.once("close", () => {
      open.delete(socket);
      if (open.size === 0) letGo();
    });
  };
  for (const handle of handles) if (isSocketOf(handle, address.port)) watch(handle);
  server.on("connection", watch);
}

function isSocketOf(handle: unknown, port: number): handle is OpenSocket {
  return (
    typeof handle === "object" && handle !== null && "remotePort" in handle && Reflect.get(handle, "localPort") === port
  );
}

/** The engine is gone, and what it waited for with it. */
function letGo(): void {
  controller.abort();
  setTimeout(() => process.exit(1), EXIT_DELAY_MS);
}
