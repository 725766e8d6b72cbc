import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import type * as grpcModule from "@grpc/grpc-js";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct, { type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb.js";

const grpc = createRequire(require.resolve("@pulumi/pulumi"))("@grpc/grpc-js") as typeof grpcModule;

export type Json = Record<string, unknown>;

/** A line that the provider sent to the engine. */
export interface LogLine {
  readonly urn: string;
  readonly message: string;
  readonly ephemeral: boolean;
}

/** What the engine says beside the properties; the dynamic host is told nothing of it. */
export interface CallFacts {
  readonly urn?: string;
  readonly preview?: boolean;
  readonly timeoutSeconds?: number;
  readonly oldInputs?: Json;
}

/** How a provider's program is started. */
export interface Launch {
  readonly program: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

interface Parts {
  readonly engine: grpcModule.Server;
  readonly child: ChildProcess;
  readonly client: ResourceProviderClient;
  readonly lines: LogLine[];
  readonly wire: Wire;
}

/** Starts the program as the engine does, with an engine that only listens to the log. */
export async function launch({ program, cwd, env }: Launch): Promise<Parts> {
  const engine = new grpc.Server();
  const lines: LogLine[] = [];
  engine.addService(EngineService as unknown as grpcModule.ServiceDefinition, {
    log(call: { request: LogRequest }, done: grpcModule.sendUnaryData<object>) {
      const { request } = call;
      lines.push({ urn: request.getUrn(), message: request.getMessage(), ephemeral: request.getEphemeral() });
      done(null, new empty.Empty());
    },
  });
  const insecure = grpc.ServerCredentials.createInsecure();
  const port = await new Promise<number>((resolve, reject) =>
    engine.bindAsync("127.0.0.1:0", insecure, (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  const child = spawn(process.execPath, [program, `127.0.0.1:${port}`], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [address] = await once(createInterface({ input: child.stdout }), "line");
  const wire = await openWire(Number(address));
  const client = new ResourceProviderClient(`127.0.0.1:${wire.port}`, grpc.credentials.createInsecure());
  return { engine, child, client, lines, wire };
}

/** The connection to a port, through a place where it can be cut: a client of grpc waits for its calls before it closes. */
interface Wire {
  readonly port: number;
  readonly cut: () => void;
}

async function openWire(target: number): Promise<Wire> {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.push(from);
      from
        .on("error", () => undefined)
        .on("close", () => to.destroy())
        .pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { port: (server.address() as AddressInfo).port, cut };
}

/** A provider's process as the engine sees it: the conversion of values and the log are the real ones, the CLI is not there. */
export class ProviderProcess {
  protected readonly client: ResourceProviderClient;

  /** @param mark what the engine finds in every map of properties of this host */
  constructor(
    private readonly parts: Parts,
    private readonly mark: (properties: Json) => Json = (properties) => properties,
  ) {
    this.client = parts.client;
  }

  get lines(): readonly LogLine[] {
    return this.parts.lines;
  }

  async configure(args: Json): Promise<void> {
    const request = new messages.ConfigureRequest().setArgs(toStruct(args));
    for (const [key, value] of Object.entries(args)) request.getVariablesMap().set(key, String(value));
    await this.call((done) => this.client.configure(request, done));
  }

  async check(
    olds: Json,
    news: Json,
    { urn = "" }: CallFacts = {},
  ): Promise<{ inputs: Json; failures: string[]; reasons: string[] }> {
    const request = new messages.CheckRequest().setUrn(urn).setOlds(this.toStruct(olds)).setNews(this.toStruct(news));
    const response = await this.call<messages.CheckResponse>((done) => this.client.check(request, done));
    const failures = response.getFailuresList();
    return {
      inputs: fromStruct(response.getInputs()),
      failures: failures.map((one) => one.getProperty()),
      reasons: failures.map((one) => one.getReason()),
    };
  }

  async diff(
    id: string,
    olds: Json,
    news: Json,
    { urn = "", oldInputs = {} }: CallFacts = {},
  ): Promise<{ changes: number; replaces: string[]; detailed: Record<string, number> }> {
    const request = new messages.DiffRequest().setId(id).setUrn(urn);
    request.setOlds(this.toStruct(olds)).setNews(this.toStruct(news)).setOldInputs(this.toStruct(oldInputs));
    const response = await this.call<messages.DiffResponse>((done) => this.client.diff(request, done));
    const detailed = response.getDetaileddiffMap().toArray() as unknown as [string, messages.PropertyDiff][];
    return {
      changes: response.getChanges(),
      replaces: response.getReplacesList(),
      detailed: Object.fromEntries(detailed.map(([path]) => [path, kindOf(response, path)])),
    };
  }

  async create(inputs: Json, facts: CallFacts = {}): Promise<{ id: string; outs: Json }> {
    const request = new messages.CreateRequest().setProperties(this.toStruct(inputs)).setUrn(facts.urn ?? "");
    request.setPreview(facts.preview ?? false).setTimeout(facts.timeoutSeconds ?? 0);
    const response = await this.call<messages.CreateResponse>((done) => this.client.create(request, done));
    return { id: response.getId(), outs: fromStruct(response.getProperties()) };
  }

  async read(id: string, outs: Json, facts: CallFacts = {}): Promise<{ id: string; props: Json; inputs: Json }> {
    const request = new messages.ReadRequest().setId(id).setUrn(facts.urn ?? "");
    request.setProperties(this.toStruct(outs)).setInputs(toStruct(facts.oldInputs ?? {}));
    const response = await this.call<messages.ReadResponse>((done) => this.client.read(request, done));
    return {
      id: response.getId(),
      props: fromStruct(response.getProperties()),
      inputs: fromStruct(response.getInputs()),
    };
  }

  async update(id: string, olds: Json, news: Json, facts: CallFacts = {}): Promise<Json> {
    const request = new messages.UpdateRequest()
      .setId(id)
      .setUrn(facts.urn ?? "")
      .setPreview(facts.preview ?? false);
    request
      .setOlds(this.toStruct(olds))
      .setNews(this.toStruct(news))
      .setOldInputs(toStruct(facts.oldInputs ?? {}));
    const response = await this.call<messages.UpdateResponse>((done) => this.client.update(request, done));
    return fromStruct(response.getProperties());
  }

  async delete(id: string, outs: Json, { urn = "" }: CallFacts = {}): Promise<void> {
    const request = new messages.DeleteRequest().setId(id).setUrn(urn).setProperties(this.toStruct(outs));
    await this.call((done) => this.client.delete(request, done));
  }

  async cancel(): Promise<void> {
    await this.call((done) => this.client.cancel(new empty.Empty(), done));
  }

  /** Lets go of the process as an engine that was killed does; resolves when it has ended. */
  async abandon(): Promise<void> {
    const exit = once(this.parts.child, "exit");
    this.parts.wire.cut();
    await exit;
  }

  close(): void {
    this.client.close();
    this.parts.wire.cut();
    this.parts.child.kill("SIGKILL");
    this.parts.engine.forceShutdown();
  }

  protected call<T>(send: (done: (error: Error | null, response: T) => void) => unknown): Promise<T> {
    return new Promise((resolve, reject) => send((error, response) => (error ? reject(error) : resolve(response))));
  }

  private toStruct(value: Json): struct.Struct {
    return toStruct(this.mark(value));
  }
}

function kindOf(response: messages.DiffResponse, path: string): number {
  return response.getDetaileddiffMap().get(path)?.getKind() ?? -1;
}

export function toStruct(value: Json): struct.Struct {
  return struct.Struct.fromJavaScript(value as Record<string, JavaScriptValue>);
}

export function fromStruct(value: struct.Struct | undefined): Json {
  return value?.toJavaScript() ?? {};
}
