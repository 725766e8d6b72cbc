import { posix } from "node:path";
import { finished, type Readable } from "node:stream";
import type { Engine, FileEntry } from "../../engines/engine";
import { invalidInput } from "../../errors";
import type { OrgStore } from "../store/store";
import type { SandboxLife } from "./sandbox-life";

/** Where relative paths begin. */
const HOME = "/home/sandbox";

export interface FileServiceParts {
  readonly engine: Engine;
  readonly life: SandboxLife;
}

/** Files in sandboxes, streamed both ways. All throw not_found and gone for the sandbox, invalid_input for the path. */
export class FileService {
  constructor(private readonly parts: FileServiceParts) {}

  /** The bytes; the sandbox is in use until the stream ends. @throws not_found */
  async read(org: OrgStore, id: string, path: string, signal: AbortSignal): Promise<Readable> {
    const { engine, life } = this.parts;
    const use = await life.use(org, id, signal);
    try {
      const content = await engine.readFile(id, toAbsolute(path), signal);
      finished(content, use.end);
      return content;
    } catch (error) {
      use.end();
      throw await life.explain(org, use.sandbox, error);
    }
  }

  async write(org: OrgStore, id: string, path: string, content: Readable, signal: AbortSignal): Promise<void> {
    await this.within(org, id, signal, (engine) => engine.writeFile(id, toAbsolute(path), content, signal));
  }

  async list(org: OrgStore, id: string, path: string, signal: AbortSignal): Promise<FileEntry[]> {
    return await this.within(org, id, signal, (engine) => engine.listFiles(id, toAbsolute(path), signal));
  }

  async makeDir(org: OrgStore, id: string, path: string, signal: AbortSignal): Promise<void> {
    await this.within(org, id, signal, (engine) => engine.makeDir(id, toAbsolute(path), signal));
  }

  async remove(org: OrgStore, id: string, path: string, signal: AbortSignal): Promise<void> {
    await this.within(org, id, signal, (engine) => engine.removeFile(id, toAbsolute(path), signal));
  }

  private async within<T>(
    org: OrgStore,
    id: string,
    signal: AbortSignal,
    work: (engine: Engine) => Promise<T>,
  ): Promise<T> {
    const { engine, life } = this.parts;
    const use = await life.use(org, id, signal);
    try {
      return await work(engine);
    } catch (error) {
      throw await life.explain(org, use.sandbox, error);
    } finally {
      use.end();
    }
  }
}

function toAbsolute(path: string): string {
  if (path === "") throw invalidInput("the request", [{ path: "path", message: "is missing; give ?path=" }]);
  if (path.includes("\0")) throw invalidInput("the request", [{ path: "path", message: "must not contain NUL" }]);
  return posix.resolve(HOME, path);
}
