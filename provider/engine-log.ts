import { createRequire } from "node:module";
import type * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import type { ResourceLog } from "./context";

/**
 * The log of one resource. Inside a dynamic provider `pulumi.log` has no engine to talk to; but the engine gave its
 * address to the provider's process as the last argument, and a line sent there with a URN shows on that
 * resource's own row. Where there is no address (a test, another host), lines go to the console.
 */
export function createEngineLog(urn: string, argv: readonly string[] = process.argv): ResourceLog {
  const engine = urn === "" ? undefined : connectEngine(argv.at(-1) ?? "");
  if (engine === undefined) return consoleLog;
  const send = (severity: SeverityValue, message: string, ephemeral: boolean) => {
    const request = new LogRequest().setUrn(urn).setSeverity(severity).setMessage(message).setEphemeral(ephemeral);
    engine.queue = engine.queue.then(() => sendLine(engine.client, request));
  };
  let lastOutputMs = Number.NEGATIVE_INFINITY;
  return {
    status: (line) => send(LogSeverity.INFO, line, true),
    output: (line) => {
      if (performance.now() - lastOutputMs < OUTPUT_INTERVAL_MS) return;
      lastOutputMs = performance.now();
      send(LogSeverity.INFO, line, true);
    },
    info: (line) => send(LogSeverity.INFO, line, false),
    warn: (line) => send(LogSeverity.WARNING, line, false),
  };
}

type SeverityValue = (typeof LogSeverity)[keyof typeof LogSeverity];

/** People read one line a second; a display that is no terminal prints every line that it gets. */
const OUTPUT_INTERVAL_MS = 1_000;
const LINE_TIMEOUT_MS = 5_000;

const consoleLog: ResourceLog = {
  status: () => undefined,
  output: () => undefined,
  info: (line) => console.log(line),
  warn: (line) => console.warn(line),
};

/** Credentials must come from the very copy of grpc that Pulumi's stubs use: another copy's are refused. */
const { credentials, Metadata } = createRequire(require.resolve("@pulumi/pulumi"))("@grpc/grpc-js") as typeof grpc;

interface Engine {
  readonly client: EngineClient;
  /** Lines go one after another: calls that run at once may arrive in any order. */
  queue: Promise<void>;
}

/** A line that cannot be shown is no reason to fail a deployment. */
function sendLine(client: EngineClient, request: LogRequest): Promise<void> {
  return new Promise((resolve) => {
    client.log(request, new Metadata(), { deadline: Date.now() + LINE_TIMEOUT_MS }, () => resolve());
  });
}

const engines = new Map<string, Engine>();

function connectEngine(address: string): Engine | undefined {
  if (!/^[\w.[\]:-]+:\d+$/.test(address)) return undefined;
  const known = engines.get(address);
  if (known !== undefined) return known;
  const engine = { client: new EngineClient(address, credentials.createInsecure()), queue: Promise.resolve() };
  engines.set(address, engine);
  return engine;
}
