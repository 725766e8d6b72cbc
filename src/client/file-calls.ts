import { z } from "zod";
import type { Api } from "../api/contract";
import { routes } from "../api/routes";
import { fileInfoSchema } from "../api/schemas";
import { START_SILENCE_MS, type Transport } from "./transport";

type FileCalls = Pick<Api, "readFile" | "writeFile" | "listFiles" | "makeDir" | "removeFile">;

/** A call for a hibernated sandbox is answered when it has been woken. */
const WAKING = { silenceTimeoutMs: START_SILENCE_MS } as const;

/** The part of the API that is about the files of a sandbox. Bytes are streamed both ways. */
export function createFileCalls(transport: Transport): FileCalls {
  return {
    readFile: async (id, path, options) =>
      (await transport.open({ method: "GET", path: routes.files(id, path), ...WAKING, ...options })).body,
    writeFile: (id, path, content, options) =>
      transport.send({ method: "PUT", path: routes.files(id, path), body: content, ...WAKING, ...options }),
    listFiles: async (id, path, options) =>
      (await transport.json(z.array(fileInfoSchema).nullable(), {
        method: "GET",
        path: routes.filesList(id, path),
        ...WAKING,
        ...options,
      })) ?? [],
    makeDir: (id, path, options) =>
      transport.send({ method: "POST", path: routes.filesMkdir(id, path), idempotent: true, ...WAKING, ...options }),
    removeFile: (id, path, options) =>
      transport.send({ method: "DELETE", path: routes.files(id, path), ...WAKING, ...options }),
  };
}
