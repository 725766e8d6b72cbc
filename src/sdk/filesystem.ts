import { basename, dirname } from "node:path/posix";
import { Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import type { Api } from "../api/contract";
import type { FileInfo } from "../api/records";
import { isOpenComputerError } from "../errors";

/** The files of one sandbox. A relative path starts at the home directory, `/home/sandbox`. */
export class Filesystem {
  constructor(
    private readonly api: Api,
    private readonly sandboxId: string,
  ) {}

  /** A file as UTF-8 text. @throws not_found */
  async read(path: string): Promise<string> {
    return Buffer.from(await this.readBytes(path)).toString("utf8");
  }

  /** A file's bytes. @throws not_found */
  async readBytes(path: string): Promise<Uint8Array> {
    const chunks: Buffer[] = await (await this.readStream(path)).toArray();
    return new Uint8Array(Buffer.concat(chunks));
  }

  /** A file's bytes as they come, for files that should not be held in memory. @throws not_found */
  readStream(path: string): Promise<Readable> {
    return this.api.readFile(this.sandboxId, path);
  }

  /** Writes a file whole or not at all, and makes its parent directories. An existing file keeps its mode. */
  write(path: string, content: string | Uint8Array | Readable | ReadableStream<Uint8Array>): Promise<void> {
    return this.api.writeFile(this.sandboxId, path, fromWebStream(content));
  }

  /** What a directory holds, sorted by name. @throws not_found */
  list(path = "/"): Promise<FileInfo[]> {
    return this.api.listFiles(this.sandboxId, path);
  }

  /** Makes a directory and its parents; one that is there is fine. */
  makeDir(path: string): Promise<void> {
    return this.api.makeDir(this.sandboxId, path);
  }

  /** The same as {@link makeDir}. */
  mkdir(path: string): Promise<void> {
    return this.makeDir(path);
  }

  /** Removes a file or a whole directory; one that is not there is fine. */
  remove(path: string): Promise<void> {
    return this.api.removeFile(this.sandboxId, path);
  }

  /** True for a file or directory that is there. */
  async exists(path: string): Promise<boolean> {
    const name = basename(path);
    try {
      const entries = await this.list(dirname(path));
      return name === "" || name === "." || entries.some((entry) => entry.name === name);
    } catch (error) {
      // No such parent, or a parent that is a file: then the path cannot be there.
      if (isOpenComputerError(error, "not_found") || isOpenComputerError(error, "invalid_input")) return false;
      throw error;
    }
  }
}

function fromWebStream(content: string | Uint8Array | Readable | ReadableStream<Uint8Array>) {
  return content instanceof ReadableStream ? Readable.fromWeb(content as NodeReadableStream<Uint8Array>) : content;
}
