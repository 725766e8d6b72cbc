import { z } from "zod";
import type { Api, CreateSandboxRequest } from "../api/contract";
import { toNetworkFields } from "../api/network-fields";
import { routes } from "../api/routes";
import { networkPolicySchema } from "../api/schemas";
import { parseWith } from "../image/manifest";
import { sendImage } from "./blobs";
import { asOneBuild, followBuild } from "./build-stream";
import { completeSandbox, sandboxAnswerSchema } from "./sandbox-answer";
import { START_SILENCE_MS, type Transport } from "./transport";

type SandboxCalls = Pick<
  Api,
  "createSandbox" | "listSandboxes" | "getSandbox" | "setSandboxTimeout" | "setSandboxTags" | "killSandbox"
>;

/** The part of the API that is about sandboxes as a whole. */
export function createSandboxCalls(transport: Transport, onWarning: (message: string) => void): SandboxCalls {
  const calls: SandboxCalls = {
    async createSandbox({ image, ...fields }, options = {}) {
      const wire = toWire(fields);
      const fromImage = image !== undefined || fields.snapshot !== undefined;
      const send = async (json: object) => {
        const call = { method: "POST", path: routes.sandboxes, json, signal: options.signal } as const;
        return fromImage
          ? await followBuild(transport, sandboxAnswerSchema, call, options)
          : await transport.json(sandboxAnswerSchema, { ...call, silenceTimeoutMs: START_SILENCE_MS });
      };
      const build = async (wanted: NonNullable<typeof image>) =>
        sendImage(transport, wanted, { onWarning, ...options }, (manifest) => send({ ...wire, image: manifest }));
      const info = await (image === undefined ? send(wire) : asOneBuild(options.signal, () => build(image)));
      return completeSandbox(info, { ...fields, fromImage }, { calls, onWarning, signal: options.signal });
    },
    listSandboxes: async ({ tags = {}, ...options } = {}) =>
      (await transport.json(z.array(sandboxAnswerSchema).nullable(), {
        method: "GET",
        path: routes.sandboxesTagged(tags),
        ...options,
      })) ?? [],
    getSandbox: (id, options) =>
      transport.json(sandboxAnswerSchema, { method: "GET", path: routes.sandbox(id), ...options }),
    setSandboxTimeout: (id, timeout, options) =>
      transport.send({
        method: "POST",
        path: routes.sandboxTimeout(id),
        json: { timeout },
        idempotent: true,
        ...options,
      }),
    setSandboxTags: (id, tags, options) =>
      transport.send({ method: "PUT", path: routes.sandboxTags(id), json: tags, ...options }),
    killSandbox: (id, options) =>
      // What is being done with it is stopped first.
      transport.send({
        method: "DELETE",
        path: routes.sandbox(id),
        silenceTimeoutMs: START_SILENCE_MS,
        ...options,
      }),
  };
  return calls;
}

/** As the official clients send it: a template and a timeout in every create. @throws invalid_input for a bad network */
function toWire({ network, ...fields }: Omit<CreateSandboxRequest, "image">): object {
  const policy = parseWith(z.object({ network: networkPolicySchema.optional() }), { network }, "the sandbox").network;
  return {
    ...{ templateID: "base", ...fields, timeout: fields.timeout ?? 0 },
    ...(policy === undefined ? {} : toNetworkFields(policy)),
  };
}
