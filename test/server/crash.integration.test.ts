import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { homeCensus } from "../fixtures/home-census";
import { RealServer, untilTrue } from "../fixtures/real-server";
import { bodyOf, EVENTS, image, readEvents } from "./test-server";

const server = new RealServer();
const call: RealServer["call"] = (...request) => server.call(...request);
const exec: RealServer["exec"] = (...command) => server.exec(...command);
beforeAll(() => server.start());
afterAll(async () => {
  await server.dispose();
  expect(homeCensus(server.home)).toEqual([]);
});

describe("kill -9", () => {
  it("loses nothing that was acknowledged, and leaves nothing half done", async () => {
    const ready = await bodyOf(await call("POST", "/snapshots", { name: "kept", image: image("echo kept > /kept") }));
    const { sandboxID } = await bodyOf(await call("POST", "/sandboxes", { snapshot: "kept", timeout: 3600 }));
    await exec(sandboxID, "echo still here > note");
    const next = { name: "kept", image: image("echo next > /kept; sleep 300"), ifExists: "version" };
    expect(await bodyOf(await call("POST", "/snapshots?async=1", next))).toMatchObject({ version: 2 });
    const half = image("echo first", "echo begun; sleep 300");
    await call("POST", "/snapshots?async=1", { name: "half", image: half });
    await untilTrue(
      60_000,
      async () => (await call("GET", "/snapshots/half")).ok && (await logOf("half")).includes("begun"),
    );
    const { apiKey } = server.card;
    await server.end("SIGKILL");

    await server.start();
    expect(server.card.apiKey).toBe(apiKey);
    expect(await bodyOf(await call("GET", "/snapshots/kept"))).toMatchObject({
      ...ready,
      lastUsedAt: expect.anything(),
    });
    expect(await bodyOf(await call("GET", "/snapshots/kept@2"))).toMatchObject({ status: "failed", current: false });
    expect(await bodyOf(await call("GET", "/snapshots/half"))).toMatchObject({ status: "failed" });
    const events = await readEvents(await call("GET", "/snapshots/half/log", undefined, EVENTS));
    expect(events.at(-1)).toMatchObject({ kind: "error", data: { code: "build_cancelled" } });

    expect(await exec(sandboxID, "cat note")).toMatchObject({ exitCode: 0, stdout: "still here\n" });
    const fresh = await bodyOf(await call("POST", "/sandboxes", { snapshot: "kept" }));
    expect(await exec(fresh.sandboxID, "cat /kept")).toMatchObject({ stdout: "kept\n" });

    const again = await call("POST", "/snapshots", { name: "half", image: image("echo first", "echo second") }, EVENTS);
    const messages = await readEvents(again);
    expect(messages.at(-1)).toMatchObject({ kind: "result", data: { status: "ready" } });
  });
});

async function logOf(name: string): Promise<string> {
  const leave = new AbortController();
  const headers = { "X-API-Key": server.card.apiKey };
  const answer = await fetch(`${server.card.url}/api/snapshots/${name}/log`, { headers, signal: leave.signal });
  const chunk = await answer.body?.getReader().read();
  leave.abort();
  return new TextDecoder().decode(chunk?.value);
}
