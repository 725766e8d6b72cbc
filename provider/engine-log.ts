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
export function createEngineLog(urn: string | undefined, argv: readonly string[] = process.argv): ResourceLog {
  const engine = urn === undefined ? undefined : connectEngine(argv.at(-1) ?? "");
  if (engine === undefined || urn === undefined) return consoleLog;
  const send = (severity: SeverityValue, message: string, ephemeral: boolean) => {
    const request = new LogRequest();
    request.setUrn(urn);
    request.setSeverity(severity);
    request.setMessage(message);
    request.setEphemeral(ephemeral);
    // A line that cannot be shown is no reason to fail a deployment.
    engine.log(request, () => undefined);
  };
  return {
    status: (line) => send(LogSeverity.INFO, line, true),
    info: (line) => send(LogSeverity.INFO, line, false),
    warn: (line) => send(LogSeverity.WARNING, line, false),
  };
}

type SeverityValue = (typeof LogSeverity)[keyof typeof LogSeverity];

const consoleLog: ResourceLog = {
  status: () => undefined,
  info: (line) => console.log(line),
  warn: (line) => console.warn(line),
};

/** Credentials must come from the very copy of grpc that Pulumi's stubs use: another copy's are refused. */
const { credentials } = createRequire(require.resolve("@pulumi/pulumi"))("@grpc/grpc-js") as typeof grpc;

const engines = new Map<string, EngineClient>();

function connectEngine(address: string): EngineClient | undefined {
  if (!/^[\w.[\]:-]+:\d+$/.test(address)) return undefined;
  const known = engines.get(address);
  if (known !== undefined) return known;
  const engine = new EngineClient(address, credentials.createInsecure());
  engines.set(address, engine);
  return engine;
}
