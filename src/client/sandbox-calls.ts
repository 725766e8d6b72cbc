import { z } from "zod";
import type { Api, CreateSandboxRequest } from "../api/contract";
import { toNetworkFields } from "../api/network-fields";
import type { SandboxInfo } from "../api/records";
import { routes } from "../api/routes";
import { networkPolicySchema, sandboxInfoSchema } from "../api/schemas";
import { OpenComputerError } from "../errors";
import { parseWith } from "../image/manifest";
import { uploadImage } from "./blobs";
import { asOneBuild, followBuild } from "./build-stream";
import type { Transport } from "./transport";

type SandboxCalls = Pick<
  Api,
  "createSandbox" | "listSandboxes" | "getSandbox" | "setSandboxTimeout" | "setSandboxTags" | "killSandbox"
>;

/** A sandbox from the base starts in a moment, but a server that creates many at once may need its time. */
const CREATE_TIMEOUT_MS = 180_000;
const KILL_TIMEOUT_MS = 30_000;

/** The hosted service sends Go's zero time where there is no end. */
const sandboxAnswerSchema = sandboxInfoSchema.transform(({ endAt, ...info }) =>
  endAt && !endAt.startsWith("0001-") ? { ...info, endAt } : info,
);

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
          : await transport.json(sandboxAnswerSchema, { ...call, silenceTimeoutMs: CREATE_TIMEOUT_MS });
      };
      const build = async (wanted: NonNullable<typeof image>) =>
        send({ ...wire, image: await uploadImage(transport, wanted, { onWarning, ...options }) });
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
    killSandbox: (id, options) => transport.send({ method: "DELETE", path: routes.sandbox(id), ...options }),
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

interface WantedSandbox extends Pick<CreateSandboxRequest, "tags" | "network"> {
  readonly fromImage: boolean;
}

interface Completion {
  readonly calls: SandboxCalls;
  readonly onWarning: (message: string) => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * The hosted service takes tags only once a sandbox is there, and passes over the network of one from an image or a
 * snapshot. A sandbox that does not come out as it was wanted is killed: nobody gets one that reaches more than it should.
 */
async function completeSandbox(
  info: SandboxInfo,
  { tags, network = "egress", fromImage }: WantedSandbox,
  { calls, onWarning, signal }: Completion,
): Promise<SandboxInfo> {
  const id = info.sandboxID;
  try {
    if (fromImage && network !== "egress" && info.network === undefined) throw networkIgnored();
    if (tags === undefined || info.tags !== undefined) return info;
    await calls.setSandboxTags(id, tags, { signal });
    return { ...info, tags };
  } catch (error) {
    const notEnded = (why: unknown) => onWarning(`sandbox ${id}, which nobody uses, could not be ended: ${why}`);
    await calls.killSandbox(id, { signal: AbortSignal.timeout(KILL_TIMEOUT_MS) }).catch(notEnded);
    throw error;
  }
}

function networkIgnored(): OpenComputerError {
  const message = "this server does not restrict the network of sandboxes from images and snapshots";
  return new OpenComputerError("unsupported", `${message}; leave network out, or use a server that does`);
}
