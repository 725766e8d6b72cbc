import { z } from "zod";
import type { Api, CreateSandboxRequest } from "../api/contract";
import { routes } from "../api/routes";
import { sandboxInfoSchema } from "../api/schemas";
import { uploadImage } from "./blobs";
import { followBuild } from "./build-stream";
import type { Transport } from "./transport";

type SandboxCalls = Pick<Api, "createSandbox" | "listSandboxes" | "getSandbox" | "setSandboxTimeout" | "killSandbox">;

/** A sandbox from the base starts in a moment, but a server that creates many at once may need its time. */
const CREATE_TIMEOUT_MS = 180_000;

/** The hosted service sends Go's zero time where there is no end. */
const sandboxAnswerSchema = sandboxInfoSchema.transform(({ endAt, ...info }) =>
  endAt && !endAt.startsWith("0001-") ? { ...info, endAt } : info,
);

/** The part of the API that is about sandboxes as a whole. */
export function createSandboxCalls(transport: Transport, onWarning: (message: string) => void): SandboxCalls {
  return {
    async createSandbox({ image, ...fields }, options = {}) {
      const manifest = image && (await uploadImage(transport, image, { onWarning, ...options }));
      const json = { ...toWire(fields), ...(manifest ? { image: manifest } : {}) };
      const call = { method: "POST", path: routes.sandboxes, json, signal: options.signal } as const;
      if (manifest || fields.snapshot) return followBuild(transport, sandboxAnswerSchema, call, options);
      return transport.json(sandboxAnswerSchema, { ...call, silenceTimeoutMs: CREATE_TIMEOUT_MS });
    },
    listSandboxes: async (options) =>
      (await transport.json(z.array(sandboxAnswerSchema).nullable(), {
        method: "GET",
        path: routes.sandboxes,
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
    killSandbox: (id, options) => transport.send({ method: "DELETE", path: routes.sandbox(id), ...options }),
  };
}

/** As the official clients send it: a template and a timeout in every create. */
function toWire(fields: Omit<CreateSandboxRequest, "image">): object {
  return { templateID: "base", ...fields, timeout: fields.timeout ?? 0 };
}
