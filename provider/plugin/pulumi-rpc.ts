import { createRequire } from "node:module";
import type * as grpcModule from "@grpc/grpc-js";
import type * as emptyModule from "google-protobuf/google/protobuf/empty_pb.js";
import type * as structModule from "google-protobuf/google/protobuf/struct_pb.js";

/**
 * grpc and protobuf, from the very copies that Pulumi's stubs use: a server of another copy cannot read their messages,
 * and they stay its dependencies and do not become ours.
 */
const pulumisOwn = createRequire(require.resolve("@pulumi/pulumi"));

export const grpc = pulumisOwn("@grpc/grpc-js") as typeof grpcModule;
export const { Struct } = pulumisOwn("google-protobuf/google/protobuf/struct_pb.js") as typeof structModule;
export const { Empty } = pulumisOwn("google-protobuf/google/protobuf/empty_pb.js") as typeof emptyModule;

export type StructMessage = structModule.Struct;
