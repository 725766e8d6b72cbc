import type { CreateSandboxRequest } from "../api/contract";
import type { NetworkPolicy } from "../api/records";
import { invalidInput, OpenComputerError, type Problem } from "../errors";
import { type Image, isImage } from "../image/image";
import type { ConnectionOptions } from "./connection";

/** How to create a sandbox: from an image, from a snapshot, or from neither, which is the base. */
export interface SandboxOpts extends ConnectionOptions {
  /** Built where it is not built yet, then started. */
  readonly image?: Image;
  /** The name of a snapshot. */
  readonly snapshot?: string;
  /** Called with each line of the build, live. */
  readonly onBuildLog?: (log: string) => void;
  /** Environment of every command, on top of the image's. */
  readonly envs?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Idle seconds after which the sandbox is hibernated; the next call wakes it. Default 0: never. */
  readonly timeout?: number;
  /** Default: the server's. */
  readonly memoryMB?: number;
  /** Default: the server's. */
  readonly cpuCount?: number;
  /** What it may write, in MiB: 64 to 262144. Default: the server's quota, 20480 unless it was started with another. */
  readonly diskMB?: number;
  /** Up to 50, to find it by; `sandbox.setTags` changes them. */
  readonly tags?: Readonly<Record<string, string>>;
  /** What it reaches: `none`, `egress` or `{ allow: ["pypi.org", "*.github.com", "192.0.2.0/24"] }`. Default `egress`. */
  readonly network?: NetworkPolicy;
  /** The only template is `base`, what a sandbox has where neither image nor snapshot is given. */
  readonly template?: "base";
  /** Limit of each build step, in seconds. Default: the server's, 30 minutes. */
  readonly stepTimeoutSeconds?: number;
  /** Ends the create, its build included, with the code `aborted`. */
  readonly signal?: AbortSignal;
}

/** Options of the official SDK that mean something that no server of ours can do: better an error than a surprise. */
const UNSUPPORTED = ["burst", "sandboxFamily", "secretStore", "previewAuth", "webhooks"];

/** What goes to the server as it is. */
const FIELDS = [
  ...["snapshot", "envs", "metadata", "timeout", "memoryMB", "cpuCount", "diskMB", "stepTimeoutSeconds"],
  ...["tags", "network"],
];

/**
 * The request that options stand for. Local files of an image are read here.
 *
 * @throws invalid_input, unsupported
 */
export function toCreateRequest(options: SandboxOpts): CreateSandboxRequest {
  const given = new Map<string, unknown>(Object.entries(options).filter(([, value]) => value !== undefined));
  const unsupported = UNSUPPORTED.filter((name) => given.has(name));
  if (unsupported.length > 0) {
    throw new OpenComputerError(
      "unsupported",
      `Sandbox.create does not support ${unsupported.join(", ")}; leave it out`,
    );
  }
  const problems = findProblems(given);
  if (problems.length > 0) throw invalidInput("Sandbox.create", problems);
  const fields = Object.fromEntries([...given].filter(([name]) => FIELDS.includes(name)));
  return { ...fields, ...(options.image ? { image: options.image.resolve() } : {}) };
}

function findProblems(given: ReadonlyMap<string, unknown>): Problem[] {
  const problems: Problem[] = [];
  if (given.has("image") && !isImage(given.get("image"))) {
    problems.push({ path: "image", message: "must be an Image, such as Image.base().pipInstall(['pandas'])" });
  }
  if (given.has("image") && given.has("snapshot")) {
    problems.push({
      path: "snapshot",
      message: "cannot be given together with image; a sandbox starts from one of them",
    });
  }
  if (given.has("template") && given.get("template") !== "base") {
    problems.push({ path: "template", message: 'must be "base"; other templates are images and snapshots' });
  }
  return problems;
}
