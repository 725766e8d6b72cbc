import { UNKNOWN } from "../../provider/context";
import { describeConformance } from "./conformance";
import { DynamicProcess } from "./dynamic-process";
import { NativeProcess } from "./plugin/native-process";

const titles = { snapshot: "Snapshot", sandbox: "Sandbox", checkpoint: "Checkpoint" };

describeConformance("dynamic", {
  start: (resource, env) => DynamicProcess.start(resource, env),
  urn: (resource, name) => `urn:pulumi:dev::p::pulumi-nodejs:dynamic/opencomputer:${titles[resource]}::${name}`,
  inputs: (urn, image, rest) => ({
    ...rest,
    __source: image === UNKNOWN ? UNKNOWN : JSON.stringify({ urn, manifest: image }),
  }),
});

describeConformance("native", {
  start: (_resource, env) => NativeProcess.start(env),
  urn: (resource, name) => `urn:pulumi:dev::p::opencomputer:index:${titles[resource]}::${name}`,
  inputs: (_urn, image, rest) => ({ ...rest, ...(image === undefined ? {} : { image }) }),
});
