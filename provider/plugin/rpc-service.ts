import type * as grpcModule from "@grpc/grpc-js";
import { type PluginAttach, PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import type { JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb.js";
import { isOpenComputerError } from "../../src/errors";
import type { CheckFailure, Properties } from "../context";
import { checkConfig } from "./check-config";
import type { PropertyDifference } from "./detailed-diff";
import { invoke } from "./invoke";
import { type NativeDiff, NativeHost } from "./native-host";
import type { NativeSession, Subject } from "./native-session";
import { type Decoded, decode, encode } from "./property-values";
import { Empty, grpc, Struct, type StructMessage } from "./pulumi-rpc";
import schema from "./schema.json";

/**
 * The plugin as the engine calls it: Pulumi's protocol, translated for the host and back. Methods that are not here are
 * answered with UNIMPLEMENTED.
 */
export function createProviderServer(session: NativeSession): grpcModule.Server {
  const server = new grpc.Server({ "grpc.max_receive_message_length": MAX_MESSAGE_BYTES });
  server.addService(ResourceProviderService as unknown as grpcModule.ServiceDefinition, {
    ...pluginMethods(session),
    ...configMethods(session),
    ...resourceMethods(new NativeHost(session)),
  });
  return server;
}

/** What Pulumi's own programs allow. */
const MAX_MESSAGE_BYTES = 400 * 1024 * 1024;

function pluginMethods(session: NativeSession) {
  return {
    handshake: unary((request: messages.ProviderHandshakeRequest) => {
      session.attach(request.getEngineAddress());
      return new messages.ProviderHandshakeResponse().setAcceptSecrets(true);
    }),
    attach: unary((request: PluginAttach) => {
      session.attach(request.getAddress());
      return new Empty();
    }),
    getPluginInfo: unary(() => new PluginInfo().setVersion(schema.version)),
    getSchema: unary(() => new messages.GetSchemaResponse().setSchema(JSON.stringify(schema))),
    cancel: unary(() => {
      session.cancel();
      return new Empty();
    }),
    invoke: unary(async (request: messages.InvokeRequest) => {
      const answer = await invoke(session, request.getTok(), read(request.getArgs()).values);
      return "failures" in answer
        ? new messages.InvokeResponse().setFailuresList(answer.failures.map(toFailure))
        : new messages.InvokeResponse().setReturn(write(encode(answer.result, [])));
    }),
  };
}

function configMethods(session: NativeSession) {
  return {
    checkConfig: unary((request: messages.CheckRequest) => {
      const { inputs, failures } = checkConfig(read(request.getNews()));
      return toCheckResponse(inputs, failures);
    }),
    // Another server or key is no reason to replace what is there: a refresh tells what that server has.
    diffConfig: unary(() => new messages.DiffResponse().setChanges(messages.DiffResponse.DiffChanges.DIFF_SOME)),
    configure: unary((request: messages.ConfigureRequest) => {
      session.configure(read(request.getArgs()).values);
      return new messages.ConfigureResponse().setAcceptsecrets(true).setSupportspreview(true);
    }),
  };
}

function resourceMethods(host: NativeHost) {
  return {
    check: unary((request: messages.CheckRequest) => {
      const { inputs, failures } = host.check(request.getUrn(), read(request.getOlds()), read(request.getNews()));
      return toCheckResponse(inputs, failures);
    }),
    diff: unary((request: messages.DiffRequest) => {
      const olds = { outs: read(request.getOlds()), inputs: read(request.getOldInputs()) };
      return toDiffResponse(host.diff(request.getUrn(), olds, read(request.getNews())));
    }),
    create: unary(async (request: messages.CreateRequest) => {
      const inputs = read(request.getProperties());
      if (request.getPreview())
        return new messages.CreateResponse().setProperties(write(host.previewCreate(request.getUrn(), inputs)));
      const { id, outs } = await host.create(toSubject(request), inputs);
      return new messages.CreateResponse().setId(id).setProperties(write(outs));
    }),
    read: unary(async (request: messages.ReadRequest) => {
      const olds = { outs: read(request.getProperties()), inputs: read(request.getInputs()) };
      const state = await host.read(toSubject(request), request.getId(), olds);
      // Without an id, the engine takes it for gone.
      if (state === undefined) return new messages.ReadResponse();
      const { id, outs, inputs } = state;
      return new messages.ReadResponse().setId(id).setProperties(write(outs)).setInputs(write(inputs));
    }),
    update: unary(async (request: messages.UpdateRequest) => {
      const [outs, news] = [read(request.getOlds()), read(request.getNews())];
      const updated = request.getPreview()
        ? host.previewUpdate(request.getUrn(), outs, news)
        : await host.update(toSubject(request), request.getId(), outs, news);
      return new messages.UpdateResponse().setProperties(write(updated));
    }),
    delete: unary(async (request: messages.DeleteRequest) => {
      await host.delete(toSubject(request), request.getId(), read(request.getProperties()));
      return new Empty();
    }),
  };
}

/** A method as grpc calls it. What goes wrong is told in its own words: the engine shows them under the resource. */
function unary<Q, R>(answer: (request: Q) => R | Promise<R>) {
  return ({ request }: { readonly request: Q }, done: grpcModule.sendUnaryData<R>): void => {
    Promise.resolve(request)
      .then(answer)
      .then(
        (response) => done(null, response),
        (error: unknown) => done({ code: grpc.status.UNKNOWN, details: describeError(error) }),
      );
  };
}

/** A fault of ours is told with its place, as nobody else can find it. */
function describeError(error: unknown): string {
  if (isOpenComputerError(error)) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function toSubject(request: { getUrn(): string; getTimeout(): number }): Subject {
  return { urn: request.getUrn(), timeoutSeconds: request.getTimeout() };
}

function toCheckResponse(inputs: Properties, failures: readonly CheckFailure[]): messages.CheckResponse {
  return new messages.CheckResponse().setInputs(write(inputs)).setFailuresList(failures.map(toFailure));
}

function toFailure({ property, reason }: CheckFailure): messages.CheckFailure {
  return new messages.CheckFailure().setProperty(property).setReason(reason);
}

function toDiffResponse(diff: NativeDiff): messages.DiffResponse {
  const { DIFF_SOME, DIFF_NONE } = messages.DiffResponse.DiffChanges;
  const response = new messages.DiffResponse()
    .setChanges(diff.changes ? DIFF_SOME : DIFF_NONE)
    .setReplacesList([...diff.replaces])
    .setStablesList([...diff.stables])
    .setDeletebeforereplace(diff.deleteBeforeReplace)
    .setHasdetaileddiff(true);
  const detailed = response.getDetaileddiffMap();
  for (const [path, difference] of diff.differences) detailed.set(path, toPropertyDiff(difference));
  return response;
}

function toPropertyDiff({ kind, replaces, inInputs }: PropertyDifference): messages.PropertyDiff {
  const { Kind } = messages.PropertyDiff;
  const kinds = {
    add: [Kind.ADD, Kind.ADD_REPLACE],
    delete: [Kind.DELETE, Kind.DELETE_REPLACE],
    update: [Kind.UPDATE, Kind.UPDATE_REPLACE],
  } as const;
  return new messages.PropertyDiff().setKind(kinds[kind][replaces ? 1 : 0]).setInputdiff(inInputs);
}

function read(struct: StructMessage | undefined): Decoded {
  return decode(struct?.toJavaScript());
}

function write(properties: Properties): StructMessage {
  return Struct.fromJavaScript(properties as Record<string, JavaScriptValue>);
}
