/** The paths of the wire, in one place: the server mounts them, the client calls them. All are below `/api`. */
export const routes = {
  snapshots: "/snapshots",
  /** Ours: `GET` only those that have all these labels, `?label=NAME=VALUE`. */
  snapshotsLabelled: (labels: Readonly<Record<string, string>>) => `${routes.snapshots}${toQuery("label", labels)}`,
  /** Of a name; ours: of a reference to one version. */
  snapshot: (ref: string) => `/snapshots/${encodeURIComponent(ref)}`,
  sandboxes: "/sandboxes",
  /** Ours: `GET` only those that have all these tags, `?tag=NAME=VALUE`. */
  sandboxesTagged: (tags: Readonly<Record<string, string>>) => `${routes.sandboxes}${toQuery("tag", tags)}`,
  sandbox: (id: string) => `/sandboxes/${encodeURIComponent(id)}`,
  sandboxTimeout: (id: string) => `${routes.sandbox(id)}/timeout`,
  sandboxHibernate: (id: string) => `${routes.sandbox(id)}/hibernate`,
  sandboxWake: (id: string) => `${routes.sandbox(id)}/wake`,
  /** Ours: `POST {count}` starts several from what one is now. */
  sandboxFork: (id: string) => `${routes.sandbox(id)}/fork`,
  checkpoints: (id: string) => `${routes.sandbox(id)}/checkpoints`,
  sandboxCheckpoint: (id: string, checkpointId: string) =>
    `${routes.checkpoints(id)}/${encodeURIComponent(checkpointId)}`,
  checkpointRestore: (id: string, checkpointId: string) => `${routes.sandboxCheckpoint(id, checkpointId)}/restore`,
  fromCheckpoint: (checkpointId: string) => `/sandboxes/from-checkpoint/${encodeURIComponent(checkpointId)}`,
  /** Ours: `GET` the checkpoints of all sandboxes. */
  allCheckpoints: "/checkpoints",
  /** Ours: `GET` a checkpoint by its id alone. */
  checkpoint: (checkpointId: string) => `/checkpoints/${encodeURIComponent(checkpointId)}`,
  execRun: (id: string) => `${routes.sandbox(id)}/exec/run`,
  execRunAsync: (id: string) => `${routes.sandbox(id)}/exec/run-async`,
  execResult: (id: string, execId: string) => `${routes.sandbox(id)}/exec/${encodeURIComponent(execId)}/result`,
  files: (id: string, path: string) => `${routes.sandbox(id)}/files?path=${encodeURIComponent(path)}`,
  filesList: (id: string, path: string) => `${routes.sandbox(id)}/files/list?path=${encodeURIComponent(path)}`,
  filesMkdir: (id: string, path: string) => `${routes.sandbox(id)}/files/mkdir?path=${encodeURIComponent(path)}`,
  /** Ours: `POST {digests}` answers `{missing, arrived}`. */
  blobsMissing: "/blobs/missing",
  /** Ours: `PUT` the raw bytes, without the first `offset`; the server verifies the whole against the digest. */
  blob: (digest: string, offset = 0) => `/blobs/${encodeURIComponent(digest)}${offset > 0 ? `?offset=${offset}` : ""}`,
  /** Ours: the log of a snapshot's build, live or past, as the SSE of the create call. `?from=N` skips N events. */
  snapshotLog: (name: string, from = 0) => `${routes.snapshot(name)}/log${from > 0 ? `?from=${from}` : ""}`,
  /** Ours: `GET` the versions of a name. */
  snapshotVersions: (name: string) => `${routes.snapshot(name)}/versions`,
  /** Ours: `POST` makes the version that the reference names the current one. */
  snapshotPromote: (ref: string) => `${routes.snapshot(ref)}/promote`,
  /** Ours: `PUT` gives the version that the reference names a further name, `DELETE` (of a name) takes it away. */
  snapshotTag: (ref: string, tag: string) => `${routes.snapshot(ref)}/tags/${encodeURIComponent(tag)}`,
  /** Ours: `GET` who uses it. */
  snapshotUsage: (name: string) => `${routes.snapshot(name)}/usage`,
  /** The hosted service has it, too: `PUT` a flat map puts these tags in the place of all. */
  sandboxTags: (id: string) => `${routes.sandbox(id)}/tags`,
  /** Ours: `GET` running builds and those whose logs are kept. */
  builds: "/builds",
  /** Ours: as {@link routes.snapshotLog}, of any build. `?follow=0` ends with the lines that are there. */
  buildLog: (id: string, from = 0, follow = true) =>
    `/builds/${encodeURIComponent(id)}/log?from=${from}${follow ? "" : "&follow=0"}`,
  /** Ours: collect what nothing needs. */
  collect: "/gc",
  /** Ours: `POST {image}` answers which steps are built already; nothing is built. */
  plan: "/plan",
  /** Ours: engine, runtime, base, version. */
  info: "/info",
} as const;

function toQuery(key: string, pairs: Readonly<Record<string, string>>): string {
  const terms = Object.entries(pairs).map(([name, value]) => `${key}=${encodeURIComponent(`${name}=${value}`)}`);
  return terms.length === 0 ? "" : `?${terms.join("&")}`;
}
