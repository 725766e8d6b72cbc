import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeRequest, faultOf, type HostileRequest, hostileRequests } from "../fixtures/hostile-requests";
import { bodyOf, createTestServer, image, type TestServer } from "./test-server";

const SEED = 2026;
const ROUNDS = 8;
/** Some of them delete what they name, so that the next ones find nothing. */
const REQUESTS_A_ROUND = 50;
/** Far more than any takes, far less than for ever. */
const HANG_MS = 8_000;

let server: TestServer;
beforeAll(async () => {
  server = await createTestServer({ limits: { maxSandboxes: 20 } });
});
afterAll(() => server.close());

async function makeThings() {
  await server.request("POST", "/api/snapshots", { json: { name: "mine", image: image("print a") } });
  const made = await bodyOf(await server.request("POST", "/api/sandboxes", { json: { owner: "fuzz" } }));
  const id = String(made["sandboxID"]);
  const start = { json: { cmd: "sleep 5000" } };
  const command = await bodyOf(await server.request("POST", `/api/sandboxes/${id}/exec/run-async`, start));
  const taken = await server.request("POST", `/api/sandboxes/${id}/checkpoints`, {
    json: { name: `c${Math.random()}` },
  });
  const checkpointId = String((await bodyOf(taken))["id"]);
  return { id, execId: String(command["execId"]), ref: "mine", name: "mine", tag: "t", checkpointId };
}

async function send({ method, path, headers, body }: HostileRequest) {
  const options = { headers, ...(body === undefined ? {} : { body }), signal: AbortSignal.timeout(HANG_MS) };
  const answer = await server.request(method, `/api${path}`, options);
  const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error("hangs")), HANG_MS).unref());
  return { status: answer.status, text: await Promise.race([answer.text(), late]) };
}

it(`whatever is sent to any endpoint is answered, and never with a fault of the server`, {
  timeout: 120_000,
}, async () => {
  const seen = new Set<number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const requests = hostileRequests(await makeThings());
    for (const request of fc.sample(requests, { seed: SEED + round, numRuns: REQUESTS_A_ROUND })) {
      const { status, text } = await send(request);
      expect([describeRequest(request), faultOf(status, text)]).toEqual([describeRequest(request), undefined]);
      seen.add(status);
    }
  }
  // What is refused at the first door tests nothing behind it.
  expect([...seen]).toEqual(expect.arrayContaining([200, 201, 204, 400, 404, 414, 415]));
});
