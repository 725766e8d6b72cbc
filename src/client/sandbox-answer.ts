import type { Api, CreateSandboxRequest } from "../api/contract";
import type { SandboxInfo } from "../api/records";
import { sandboxInfoSchema } from "../api/schemas";
import { OpenComputerError } from "../errors";

const KILL_TIMEOUT_MS = 30_000;

/** A sandbox as servers answer with it. The hosted service sends Go's zero time where there is no end. */
export const sandboxAnswerSchema = sandboxInfoSchema.transform(({ endAt, ...info }) =>
  endAt && !endAt.startsWith("0001-") ? { ...info, endAt } : info,
);

export interface WantedSandbox extends Pick<CreateSandboxRequest, "tags" | "network"> {
  readonly fromImage: boolean;
}

export interface Completion {
  readonly calls: Pick<Api, "setSandboxTags" | "killSandbox">;
  readonly onWarning: (message: string) => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * The hosted service takes tags only once a sandbox is there, and passes over the network of one from an image or a
 * snapshot. A sandbox that does not come out as it was wanted is killed: nobody gets one that reaches more than it should.
 *
 * @throws unsupported where the server does not keep to the network
 */
export async function completeSandbox(
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
