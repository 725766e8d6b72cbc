/**
 * What a manifest is, as types. The schemas (step.ts, manifest.ts) check data against these forms; types that a program
 * sees stand apart from them, so that compiling one needs none of the library that we check with.
 */

/** The canonical manifest: what an image is. Files stand by digest; their bytes travel separately (docs/manifest.md). */
export interface ImageManifest {
  /** The form of this manifest; not part of the image's identity. Default: 1, the only one that there is. */
  readonly version?: 1;
  /** The default environment, the only base. */
  readonly base: "base";
  readonly steps: readonly Step[];
  /** Memory of the build sandbox in MiB; not part of the image's identity. Default: the server's. */
  readonly builderMemoryMB?: number;
}

/** One step of a manifest, tagged by `type`. */
export type Step =
  | { readonly type: "apt_install"; readonly args: { readonly packages: readonly string[] } }
  | { readonly type: "pip_install"; readonly args: { readonly packages: readonly string[] } }
  | { readonly type: "run"; readonly args: { readonly commands: readonly string[] } }
  | { readonly type: "env"; readonly args: { readonly vars: Readonly<Record<string, string>> } }
  | { readonly type: "workdir"; readonly args: { readonly path: string } }
  | { readonly type: "add_file"; readonly args: AddFileArgs }
  | { readonly type: "add_dir"; readonly args: AddDirArgs }
  | { readonly type: "start_command"; readonly args: StartCommandArgs };

/** A service that runs in every sandbox of the image from its first moment on. */
export interface StartCommandArgs extends StartCommandOptions {
  /** For `/bin/sh -c`. */
  readonly command: string;
}

/** When a service that an image starts counts as ready. */
export interface StartCommandOptions {
  /** For `/bin/sh -c`; a sandbox is ready when it exits with 0. Default: as soon as the command was started. */
  readonly readyCommand?: string;
  /** Limit of the waiting. Default 60. */
  readonly readyTimeoutSeconds?: number;
}

/** What a step of one type says. @example StepArgs<"workdir"> // { readonly path: string } */
export type StepArgs<T extends Step["type"]> = Extract<Step, { type: T }>["args"];

/** Whose an added file is, and what may be done with it. */
export interface Ownership {
  /** Four octal digits such as `0640`. Default: 0644, or 0755 for what is executable. */
  readonly mode?: string;
  /** `user`, `user:group`, `uid` or `uid:gid`. Default: the owner of the directory that it is put into. */
  readonly owner?: string;
}

/** A file, by the digest of its bytes. */
export interface AddFileArgs extends Ownership {
  readonly path: string;
  /** `sha256:` and 64 hex digits. */
  readonly digest: string;
  readonly executable: boolean;
}

/** A directory: its entries, or where they are many the digest of the tree that lists them. */
export type AddDirArgs =
  | (Ownership & { readonly path: string; readonly entries: readonly DirEntry[] })
  | (Ownership & { readonly path: string; readonly tree: string });

/** One entry of an added directory. */
export type DirEntry =
  | { readonly kind: "file"; readonly path: string; readonly digest: string; readonly executable: boolean }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  | { readonly kind: "dir"; readonly path: string };
