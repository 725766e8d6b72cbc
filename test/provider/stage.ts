import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ServerType, serve } from "@hono/node-server";
import { createTestServer, type TestServer } from "../server/test-server";

/** A test server that can be reached over HTTP, and a cache folder. */
export interface Stage {
  readonly server: TestServer;
  readonly dir: string;
  readonly env: Record<string, string>;
  readonly close: () => Promise<void>;
}

export async function openStage(): Promise<Stage> {
  const dir = mkdtempSync(join(tmpdir(), "oc-provider-"));
  const server = await createTestServer();
  const http = await new Promise<ServerType>((resolve) => {
    const listening: ServerType = serve({ fetch: server.app.fetch, hostname: "127.0.0.1", port: 0 }, () =>
      resolve(listening),
    );
  });
  const env = {
    OPENCOMPUTER_API_URL: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    OPENCOMPUTER_API_KEY: server.keys.a,
    OPENCOMPUTER_CACHE: dir,
  };
  const close = async () => {
    http.close();
    await server.close();
    rmSync(dir, { recursive: true, force: true });
  };
  return { server, dir, env, close };
}
