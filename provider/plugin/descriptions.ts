import type { z } from "zod";
import type { checkpointInputsSchema } from "../checkpoint";
import type { sandboxInputsSchema } from "../sandbox";
import type { snapshotInputsSchema } from "../snapshot";

/** What the plugin's schema says of each property; the compiler names one that is missing. */
type Texts<T extends z.ZodType> = Readonly<Record<Exclude<keyof z.infer<T>, `__${string}`>, string>>;
type ImageTexts<T extends z.ZodType> = Texts<T> & { readonly image: string };

const image = "What it contains: a manifest, whose steps may name files and folders of the project.";
const steps = "One line for each step of the image, and what tells whether it changed.";
const files = "The files that the image adds, by their place in it, each with the beginning of its digest.";
const endpoint = "The name of a server of the configuration (`opencomputer:endpoints`). Default: the default one.";

export const SNAPSHOT_INPUTS: ImageTexts<typeof snapshotInputsSchema> = {
  image,
  name: "Unique in the organisation. Default: the logical name and seven digits that follow the content.",
  labels: "At most 50; the stack's `opencomputer:defaultLabels` are below them.",
  retention: "How long versions that are no longer current stay for a rollback.",
  warmPool: "How many sandboxes of the current version are kept started ahead, 0 to 100. Default: 0.",
  builderMemoryMB:
    "Memory of the machine that builds, in MiB. Not part of the image's identity. Default: the server's.",
  stepTimeoutSeconds: "Limit of each build step in seconds. Default: the server's, 1800.",
  buildTimeoutSeconds: "Limit of the whole build in seconds. Default: none beyond its steps'.",
  adopt: "Whether a snapshot of this name that somebody else made is taken over. Default: false, an error.",
  endpoint,
  steps,
  files,
};

export const SANDBOX_INPUTS: ImageTexts<typeof sandboxInputsSchema> = {
  image: `${image} Not beside \`snapshot\` or \`checkpoint\`.`,
  snapshot: "A snapshot's `ref` (follows its content), its name, `name@3` or `name:tag`. Default: the plain base.",
  checkpoint:
    "A checkpoint's id: it starts as what was kept. Not beside `cpuCount` and `network`, which are those of the sandbox that was kept.",
  envs: "Environment variables, over those of the image. Secrets stay secret in the state.",
  metadata: "Whatever helps to tell it from others.",
  tags: "At most 50; the stack's `opencomputer:defaultTags` are below them.",
  timeout: "Idle seconds after which it hibernates, until the next command wakes it; 0 is never. Default: 0.",
  memoryMB: "Memory limit in MiB. Default: the server's, 4096.",
  cpuCount: "Limit in CPUs. Default: the server's, 1.",
  network: 'What it reaches: "none", "egress" (default: the world outside), or `allow` with destinations.',
  readyCheck: "A command that must succeed before it counts as created.",
  recreate:
    'What follows its end: "onExpiry" (default) makes a new one with the next update, "never" keeps it stopped.',
  endpoint,
  steps,
  files,
};

export const CHECKPOINT_INPUTS: Texts<typeof checkpointInputsSchema> = {
  sandbox: "The sandbox to keep, by its id.",
  name: "Unique among the checkpoints of its sandbox. Default: the logical name and seven digits.",
  kind: "`disk_only` (default) keeps files; `full` keeps memory and processes, too, where the server can.",
  triggers:
    "Whatever should make a new checkpoint when it changes; no secrets, as the name follows it. Default: nothing does.",
  retentionPolicy: "What happens where the sandbox has as many checkpoints as it may have. Default: an error.",
  endpoint,
};

/** Inputs whose change makes a new resource, whatever else. */
export const SNAPSHOT_REPLACING: ReadonlySet<string> = new Set(["name", "endpoint"]);
export const SANDBOX_REPLACING: ReadonlySet<string> = new Set(
  "snapshot image checkpoint envs metadata memoryMB cpuCount network endpoint".split(" "),
);
export const CHECKPOINT_REPLACING: ReadonlySet<string> = new Set("sandbox name kind triggers endpoint".split(" "));

/** Outputs beside the inputs. */
export const SNAPSHOT_OUTPUTS = {
  contentHash: "64 hex digits: the identity of the image, known in a preview.",
  ref: "`name@<content>`: what a sandbox takes to follow the content.",
};
export const RECORD = "What the server says of it.";
export const SNAPSHOT_RECORD = {
  checkpointId: "The server's own id of what was built.",
  status: "`ready`.",
  createdAt: "When it was built, ISO 8601.",
};
export const VERSION = "Which version of the name it is, where the server counts them.";
export const SANDBOX_OUTPUTS = {
  sandboxId: "What `Sandbox.connect` of the SDK and `pulumi-opencomputer exec` take.",
  status: "`running`, `hibernated`, or `stopped` where it is kept so.",
  contentHash: "64 hex digits: the identity of the image, where it was started from one.",
};
export const CHECKPOINT_OUTPUTS = {
  checkpointId: "What the `checkpoint` of a sandbox takes.",
  status: "`ready`.",
  createdAt: "When it was taken, ISO 8601.",
};
export const SIZE_BYTES = "What it takes on disk by itself.";
export const DESCRIBED_STEP = {
  op: "Its type.",
  summary: "What it does, in one line.",
  digest: "Changes where the step does.",
};

export const FUNCTION_ARGUMENTS: Readonly<Record<string, string>> = {
  name: "Its current version. Either this or `ref`.",
  ref: "One version: `name@3`, `name@<8 or more digits of the contentHash>`, `name:tag`.",
  labels: "Only those that have all of these. Default: all.",
  endpoint,
};
export const SNAPSHOT_RESULT = {
  id: "What `pulumi import` takes, beside the name.",
  name: "Its name.",
  ...SNAPSHOT_OUTPUTS,
  ...SNAPSHOT_RECORD,
};

export const CONFIG = {
  apiUrl: "Where the server is. Default: `OPENCOMPUTER_API_URL`, then a server on this machine, started where needed.",
  apiKey: "Its key. Default: `OPENCOMPUTER_API_KEY`.",
  endpoints: "Further servers by name, each with `apiUrl` and `apiKey`; resources name one as their `endpoint`.",
  engine: "The engine of a server on this machine that is started. Default: `OPENCOMPUTER_ENGINE`.",
  defaultLabels: "Labels of every snapshot, below its own.",
  defaultTags: "Tags of every sandbox, below its own.",
  logLevel: "What a build shows: `quiet`, `steps` (default) or `full`.",
};

/** Members of the types, wherever they stand. */
export const MEMBERS: Readonly<Record<string, string>> = {
  base: "The default environment, the only base: `base`, and the default.",
  steps: "What is done to the base, in this order.",
  builderMemoryMB: SNAPSHOT_INPUTS.builderMemoryMB,
  type: "What the step does.",
  args: "How.",
  packages: "Their names, as apt-get or pip takes them.",
  commands: "Shell commands, run as root in one shell; the first that fails fails the build.",
  vars: "Environment variables of later steps and of every sandbox. Not for secrets: they stay in the image.",
  path: "An absolute path in the image, or inside an added folder a relative one.",
  localPath: "A path on this machine; a relative one starts at the project's folder.",
  content: "The file's text, written as UTF-8.",
  digest: "`sha256:` and 64 hex digits, of bytes that the server has.",
  executable: "Whether it may be executed. Default: false.",
  mode: 'Four octal digits such as "0640". Default: 0644, or 0755 for what is executable.',
  owner: "`user`, `user:group`, `uid` or `uid:gid`. Default: the owner of the folder that it is put into.",
  entries: "What the folder holds.",
  tree: "The digest of the list of entries, where they are more than 200.",
  ignore: "What stays out, in gitignore syntax, beside what the folder's own ignore file says.",
  include: "What is added although other rules leave it out, in gitignore syntax.",
  followSymlinks: "Whether what links lead to is taken where they lead out of the folder. Default: false, an error.",
  kind: "`file`, `link` or `dir`, an empty folder.",
  target: "Where the link leads.",
  "RetentionPolicy.mode": '"none": an error. "delete_oldest": the oldest one that nothing uses makes way.',
  maxCount: "How many there may be. Default: the limit, 10 that are full and 100 that are disk_only.",
  keepLast: "How many of them, the newest. Default: 1.",
  ttlSeconds: "Seconds after which one goes that was superseded. Default: never.",
  command: "A command line for `sh -c`.",
  "ReadyCheck.command": "Run with `sh -c` as often as it takes.",
  readyCommand: "A command line for `sh -c`, repeated until it exits with 0. Default: ready as soon as it was started.",
  readyTimeoutSeconds: "How long to wait for that, in seconds. Default: 60.",
  timeoutSeconds: "How long to try, in seconds. Default: 60.",
  allow: "A host (`pypi.org`), the hosts below one (`*.pypi.org`), an IPv4 address or block (`192.0.2.0/24`).",
};
