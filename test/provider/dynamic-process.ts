import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import type * as grpcModule from "@grpc/grpc-js";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct, { type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb.js";
import { providerText } from "../../provider/dynamic";
import { repository } from "./pulumi-stack";

const grpc = createRequire(require.resolve("@pulumi/pulumi"))("@grpc/grpc-js") as typeof grpcModule;

type Json = Record<string, unknown>;

/** A line that the provider sent to the engine. */
export interface LogLine {
  readonly urn: string;
  readonly message: string;
  readonly ephemeral: boolean;
}

/**
 * Pulumi's own dynamic-provider program, run as the engine runs it, with an engine that only listens to its log. So the
 * text in the state, the conversion of values and the log are the real ones, without the time that the CLI takes.
 */
export class DynamicProcess {
  readonly lines: LogLine[] = [];

  private constructor(
    private readonly engine: grpcModule.Server,
    private readonly child: ChildProcess,
    private readonly client: ResourceProviderClient,
    private readonly resource: keyof typeof providerText,
  ) {}

  static async start(resource: keyof typeof providerText, env: Record<string, string>): Promise<DynamicProcess> {
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
    const program = require.resolve("@pulumi/pulumi/cmd/dynamic-provider");
    const child = spawn(process.execPath, [program, `127.0.0.1:${port}`], {
      cwd: repository,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [address] = await once(createInterface({ input: child.stdout }), "line");
    const client = new ResourceProviderClient(`127.0.0.1:${address}`, grpc.credentials.createInsecure());
    const started = new DynamicProcess(engine, child, client, resource);
    await started.configure();
    Object.defineProperty(started, "lines", { value: lines });
    return started;
  }

  async check(olds: Json, news: Json): Promise<{ inputs: Json; failures: string[] }> {
    const request = new messages.CheckRequest().setOlds(this.toStruct(olds)).setNews(this.toStruct(news));
    const response = await this.call<messages.CheckResponse>((done) => this.client.check(request, done));
    return {
      inputs: fromStruct(response.getInputs()),
      failures: response.getFailuresList().map((one) => one.getProperty()),
    };
  }

  async diff(id: string, olds: Json, news: Json): Promise<{ changes: number; replaces: string[] }> {
    const request = new messages.DiffRequest().setId(id).setOlds(this.toStruct(olds)).setNews(this.toStruct(news));
    const response = await this.call<messages.DiffResponse>((done) => this.client.diff(request, done));
    return { changes: response.getChanges(), replaces: response.getReplacesList() };
  }

  async create(inputs: Json): Promise<{ id: string; outs: Json }> {
    const request = new messages.CreateRequest().setProperties(this.toStruct(inputs));
    const response = await this.call<messages.CreateResponse>((done) => this.client.create(request, done));
    return { id: response.getId(), outs: fromStruct(response.getProperties()) };
  }

  async read(id: string, outs: Json): Promise<{ id: string; props: Json }> {
    const request = new messages.ReadRequest().setId(id).setProperties(this.toStruct(outs));
    const response = await this.call<messages.ReadResponse>((done) => this.client.read(request, done));
    return { id: response.getId(), props: fromStruct(response.getProperties()) };
  }

  async delete(id: string, outs: Json): Promise<void> {
    const request = new messages.DeleteRequest().setId(id).setProperties(this.toStruct(outs));
    await this.call((done) => this.client.delete(request, done));
  }

  close(): void {
    this.client.close();
    this.child.kill("SIGKILL");
    this.engine.forceShutdown();
  }

  private async configure(): Promise<void> {
    const request = new messages.ConfigureRequest().setArgs(struct.Struct.fromJavaScript({}));
    await this.call((done) => this.client.configure(request, done));
  }

  private call<T>(send: (done: (error: Error | null, response: T) => void) => unknown): Promise<T> {
    return new Promise((resolve, reject) => send((error, response) => (error ? reject(error) : resolve(response))));
  }

  private toStruct(value: Json): struct.Struct {
    const properties = { ...value, __provider: providerText[this.resource] };
    return struct.Struct.fromJavaScript(properties as Record<string, JavaScriptValue>);
  }
}

function fromStruct(value: struct.Struct | undefined): Json {
  return value?.toJavaScript() ?? {};
}
