import fc from "fast-check";
import { describeRequest, faultOf, hostileRequests } from "../../test/fixtures/hostile-requests";
import { ENDLESS_BEGINNING, MALFORMED_REQUESTS } from "../../test/fixtures/malformed-http";
import { sendRaw } from "../../test/fixtures/raw-http";
import { AbuseSite } from "../abuse-site";
import type { Experiment } from "../experiment";
import type { TortureRun } from "../torture-run";

const MIB = 1024 * 1024;
/** What the server may hold beyond what it held at rest: the limits that it was given, and what its heap leaves lying about. */
const MEMORY_GROWTH_MB = 500;
/** The most that is kept of the log of a build, with room for the line that goes beyond. */
const LOG_BYTES = 66 * MIB;
/** The server answers everybody else in this time, however busy the machine is. */
const HEALTH_MS = 10_000;
const REQUESTS_A_ROUND = 40;
const SIZES = {
  short: { rounds: 2, slow: 60, readers: 8, logMB: 30, floods: 2, floodMB: 20 },
  long: { rounds: 200, slow: 150, readers: 16, logMB: 1_024, floods: 12, floodMB: 200 },
} as const;

/** Whoever has a key, or none, and means ill. */
export const abuse: Experiment = {
  name: "abuse",
  promise:
    "Whatever is sent to the server is answered with what is wrong about it; nobody makes it fail, hang, forget its limits or stop answering others.",
  method:
    "Requests with random changes to every endpoint and requests that are no HTTP, beside connections that send or read as slowly as they can, builds and commands that print without end, and more of everything than is allowed. Looked at: every answer, how long others wait, memory, open files, stored logs.",
  share: 4,
  async run(run) {
    const site = await AbuseSite.open(run);
    const atRest = { memoryMB: site.memoryMB, openFiles: site.openFiles };
    const counts = { requests: 0, "malformed requests": 0, "slow connections": 0, "MB printed": 0, "health checks": 0 };
    const { slow, logMB, floods, floodMB } = SIZES[run.size];
    run.say("the server runs; slow connections");
    await beSlow(site, slow);
    // Beside the rest, because some of it is answered only when the server has waited long enough.
    const nonsense = sendNonsense(site, run);
    counts["slow connections"] += slow;
    run.say("builds and commands that print without end");
    await printWithoutEnd(site, run);
    run.say(`memory: ${Math.round(atRest.memoryMB)} MB at rest, ${Math.round(site.peakMB)} MB at most`);
    counts["MB printed"] += logMB + floods * floodMB;
    counts.requests += await sendHostile(site, run);
    counts["malformed requests"] += await nonsense;
    site.hangUp();
    run.say(`memory: ${Math.round(site.peakMB)} MB at most; health: ${Math.round(site.slowestHealthMs)} ms at most`);
    await judge(site, atRest);
    counts["health checks"] = site.healthChecks;
    await site.server.dispose();
    return { counts, lost: [], leaked: [], broken: site.broken };
  },
};

/** Headers that never end, bodies that never come, keys or none; each connection stays until the server has enough. */
async function beSlow(site: AbuseSite, connections: number): Promise<void> {
  for (let at = 0; at < connections; at += 1) {
    if (at % 3 === 0) await site.leaveOpen("GET /api/info HTTP/1.1\r\nHost: localhost\r\nX-A: ");
    else if (at % 3 === 1) await site.leaveOpen("");
    else await site.leaveOpen(`${site.headOf("POST /api/plan", "Content-Length: 4000000")}${" ".repeat(1_000)}`);
  }
}

/** A build and commands that print, and readers that ask for all of it and read nothing. */
async function printWithoutEnd(site: AbuseSite, run: TortureRun): Promise<void> {
  const { readers, logMB, floods, floodMB } = SIZES[run.size];
  const print = (mb: number) => `yes 0123456789012345678901234567890123456789 | head -c ${mb * MIB}`;
  const image = { base: "base", steps: [{ type: "run", args: { commands: [print(logMB)] } }] };
  const json = JSON.stringify({ name: "loud", image });
  const head = site.headOf("POST /api/snapshots", "Accept: text/event-stream", `Content-Length: ${json.length}`);
  for (let at = 0; at < readers; at += 1) await site.leaveOpen(head + json);
  const built = await site.send({ method: "POST", path: "/snapshots", headers: {}, body: json });
  if (built.status !== 201) site.broken.push(`the build that prints: ${built.status} ${built.text.slice(0, 300)}`);
  const made = await site.send({ method: "POST", path: "/sandboxes", headers: {}, body: '{"owner":"flood"}' });
  const id = /"sandboxID":"([^"]+)"/.exec(made.text)?.[1] ?? "";
  const command = JSON.stringify({ cmd: print(floodMB), timeout: 300 });
  const runs = Array.from({ length: floods }, (_, at) => {
    const path = `/sandboxes/${id}/exec/${at % 2 === 0 ? "run" : "run-async"}`;
    return site.send({ method: "POST", path, headers: {}, body: command });
  });
  for (const { status, text } of await Promise.all(runs)) {
    if (status >= 300) site.broken.push(`a command that prints: ${status} ${text.slice(0, 300)}`);
  }
}

async function sendNonsense(site: AbuseSite, { size }: TortureRun): Promise<number> {
  const requests = MALFORMED_REQUESTS.filter(([what]) => size === "long" || what !== ENDLESS_BEGINNING);
  const { url, apiKey } = site.server.card;
  const all = requests.map(async ([what, ...pieces]) => {
    const bytes = pieces.map((piece) => Buffer.from(piece.replaceAll("KEY", apiKey), "latin1"));
    const { status, hung, text } = await sendRaw(url, bytes, 60_000);
    if (hung || status >= 500 || (status > 0 && status < 400))
      site.broken.push(`${what}: ${hung ? "hangs" : text.slice(0, 300)}`);
  });
  await Promise.all(all);
  return requests.length;
}

async function sendHostile(site: AbuseSite, run: TortureRun): Promise<number> {
  let sent = 0;
  for (
    let round = 0;
    round < SIZES[run.size].rounds && (run.size === "short" || Date.now() < run.deadline);
    round += 1
  ) {
    const requests = hostileRequests(await makeThings(site));
    for (const request of fc.sample(requests, { seed: run.between(0, 2 ** 31), numRuns: REQUESTS_A_ROUND })) {
      const fault = await site.send(request).then(
        ({ status, text }) => faultOf(status, text),
        (error: unknown) => `no answer: ${String(error)}`,
      );
      if (fault !== undefined) site.broken.push(`${describeRequest(request)} → ${fault}`);
      sent += 1;
    }
    run.say(`${sent} hostile requests`);
  }
  return sent;
}

/** What the next requests may name; the last ones may have deleted it. */
async function makeThings(site: AbuseSite) {
  const send = async (method: string, path: string, json?: object) =>
    (await site.send({ method, path, headers: {}, ...(json ? { body: JSON.stringify(json) } : {}) })).text;
  const kept = await send("POST", "/sandboxes", { owner: "kept" });
  const id = /"sandboxID":"([^"]+)"/.exec(kept)?.[1] ?? "a";
  // Whatever the last round made stands in the way of the next one's.
  for (const [, other] of (await send("GET", "/sandboxes")).matchAll(/"sandboxID":"([^"]+)"/g)) {
    if (other !== id) await send("DELETE", `/sandboxes/${other}`);
  }
  await send("POST", "/snapshots", { name: "mine", image: { base: "base", steps: [] } });
  const taken = await send("POST", `/sandboxes/${id}/checkpoints`, { name: `c${performance.now()}` });
  const command = await send("POST", `/sandboxes/${id}/exec/run-async`, { cmd: "sleep 5" });
  const [execId, checkpointId] = [/"execId":"([^"]+)"/.exec(command)?.[1], /"id":"([^"]+)"/.exec(taken)?.[1]];
  return { id, execId: execId ?? "a", checkpointId: checkpointId ?? "a", ref: "mine", name: "mine", tag: "t" };
}

async function judge(
  site: AbuseSite,
  atRest: { readonly memoryMB: number; readonly openFiles: number },
): Promise<void> {
  const grown = site.peakMB - atRest.memoryMB;
  if (grown > MEMORY_GROWTH_MB)
    site.broken.push(`memory grew by ${Math.round(grown)} MB, from ${Math.round(atRest.memoryMB)}`);
  if (site.slowestHealthMs > HEALTH_MS) site.broken.push(`somebody else waited ${Math.round(site.slowestHealthMs)} ms`);
  const logBytes = await site.largestLog();
  if (logBytes > LOG_BYTES) site.broken.push(`a log of ${logBytes} bytes is kept`);
  const giveUpAt = Date.now() + 20_000;
  while (site.openFiles > atRest.openFiles + 10 && Date.now() < giveUpAt)
    await new Promise((resolve) => setTimeout(resolve, 100));
  const left = site.openFiles - atRest.openFiles;
  if (left > 10) site.broken.push(`${left} more files and connections are open than before`);
}
