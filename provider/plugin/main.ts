import { lifelineSignal } from "../lifeline";
import { NativeSession } from "./native-session";
import { grpc } from "./pulumi-rpc";
import { createProviderServer } from "./rpc-service";

/**
 * The program `pulumi-resource-opencomputer`. Pulumi's engine starts it with its own address as the last argument and
 * reads the port from the first line; without an address it waits for an engine that attaches (`PULUMI_DEBUG_PROVIDERS`).
 */
export function main(argv: readonly string[]): void {
  const engineAddress = argv.filter((arg) => !arg.startsWith("-")).at(-1) ?? "";
  const session = new NativeSession(engineAddress);
  const server = createProviderServer(session);
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    // An engine that is killed cannot say so, and leaves nobody to work for.
    if (engineAddress !== "") lifelineSignal().addEventListener("abort", () => session.cancel());
    console.log(String(port));
  });
}
