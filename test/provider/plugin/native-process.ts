import { join } from "node:path";
import {
  CheckRequest,
  type CheckResponse,
  GetSchemaRequest,
  type GetSchemaResponse,
  InvokeRequest,
  type InvokeResponse,
  ProviderHandshakeRequest,
} from "@pulumi/pulumi/proto/provider_pb";
import { fromStruct, type Json, launch, ProviderProcess, toStruct } from "../provider-process";
import { repository } from "../pulumi-stack";

/** The native plugin, as the engine starts it. */
export class NativeProcess extends ProviderProcess {
  /** @param cwd where relative paths of programs start */
  static async start(env: Record<string, string>, cwd = repository, config: Json = {}): Promise<NativeProcess> {
    const program = join(repository, "provider", "plugin", "bin", "pulumi-resource-opencomputer");
    const started = new NativeProcess(await launch({ program, cwd, env }));
    await started.configure(config);
    return started;
  }

  async checkConfig(news: Json): Promise<{ inputs: Json; failures: string[] }> {
    const request = new CheckRequest().setNews(toStruct(news));
    const response = await this.call<CheckResponse>((done) => this.client.checkConfig(request, done));
    return {
      inputs: fromStruct(response.getInputs()),
      failures: response.getFailuresList().map((one) => one.getProperty()),
    };
  }

  async invoke(token: string, args: Json): Promise<{ result: Json; failures: string[] }> {
    const request = new InvokeRequest().setTok(token).setArgs(toStruct(args));
    const response = await this.call<InvokeResponse>((done) => this.client.invoke(request, done));
    return {
      result: fromStruct(response.getReturn()),
      failures: response.getFailuresList().map((one) => one.getReason()),
    };
  }

  async schema(): Promise<Json> {
    const response = await this.call<GetSchemaResponse>((done) => this.client.getSchema(new GetSchemaRequest(), done));
    return JSON.parse(response.getSchema()) as Json;
  }

  /** Whether it takes secrets as they are. */
  async handshake(engineAddress: string): Promise<boolean> {
    const request = new ProviderHandshakeRequest().setEngineAddress(engineAddress);
    const response = await this.call<{ getAcceptSecrets(): boolean }>((done) => this.client.handshake(request, done));
    return response.getAcceptSecrets();
  }
}
