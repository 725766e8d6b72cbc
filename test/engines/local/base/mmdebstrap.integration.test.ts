import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { installRelease } from "../../../../src/engines/local/base/mmdebstrap";
import { parseOsRelease } from "../../../../src/engines/local/base/os-release";
import { whyNoUbuntu } from "../../../../src/engines/local/base/release-recipe";

let home: string;
const silent = () => undefined;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "mmdebstrap-"));
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

const install = (uri: string, signal: AbortSignal) =>
  installRelease({
    suite: "bookworm",
    entries: [{ uri, suite: "bookworm", components: ["main"], options: {} }],
    rootfs: join(home, "fs"),
    workDir: home,
    hostEnv: { PATH: process.env["PATH"] },
    onProgress: silent,
    signal,
  });

/** Processes, as of /proc, that have the test's directory on their command line, and mounts below it. */
function leftovers(): string[] {
  const commands = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return "";
      }
    });
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return [...commands, ...mounts].filter((line) => line.includes(home));
}

/** A mirror that takes every request and never answers. */
async function startSilentMirror(): Promise<{ uri: string; close: () => void }> {
  const server = createServer(silent);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    uri: `http://127.0.0.1:${port}/debian`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe("installRelease", () => {
  it("says what the mirror said, and leaves neither mounts nor processes", async () => {
    const failure = install("http://127.0.0.1:1/debian", new AbortController().signal);
    await expect(failure).rejects.toMatchObject({ code: "unavailable" });
    await expect(failure).rejects.toThrow(/installing bookworm from packages failed/);
    expect(leftovers()).toEqual([]);
  });

  it("ends at once, with all it started, when it is aborted", async () => {
    const mirror = await startSilentMirror();
    const controller = new AbortController();
    const running = install(mirror.uri, controller.signal);
    const outcome = expect(running).rejects.toMatchObject({ code: "aborted" });
    try {
      await delay(1_500);
      expect(leftovers()).not.toEqual([]);
      controller.abort();
      await outcome;
      await expect.poll(leftovers, { timeout: 5_000 }).toEqual([]);
    } finally {
      mirror.close();
    }
  });
});

describe("whyNoUbuntu", () => {
  const ask = (uri: string) =>
    whyNoUbuntu(
      {
        os: parseOsRelease("ID=ubuntu\nVERSION_CODENAME=jammy\n"),
        entries: [{ uri, suite: "jammy", components: ["main"], options: {} }],
      },
      home,
      { hostEnv: { PATH: process.env["PATH"] }, onProgress: silent, signal: new AbortController().signal },
    );

  it("knows within five seconds that a mirror is silent or away", async () => {
    const mirror = await startSilentMirror();
    try {
      const startMs = Date.now();
      expect(await ask(mirror.uri)).toBe("Ubuntu 22.04 could not be reached");
      expect(Date.now() - startMs).toBeLessThan(8_000);
    } finally {
      mirror.close();
    }
    expect(await ask("http://127.0.0.1:1")).toBe("Ubuntu 22.04 could not be reached");
  });

  it("takes a mirror that answers", async () => {
    const server = createServer((request, response) => {
      response.statusCode = request.url === "/ubuntu/dists/jammy/Release" ? 200 : 404;
      response.end("Suite: jammy\n");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    try {
      expect(await ask(`http://127.0.0.1:${port}/ubuntu/`)).toBeUndefined();
    } finally {
      server.close();
    }
  });
});
