import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connectEmbedded } from "../../src/client/embedded";
import { packageRoot } from "../../src/client/package-root";
import { findEmbedded, isAlive } from "../../src/client/running-server";
import { homeCensus } from "../../test/fixtures/home-census";
import { RealServer, untilTrue } from "../../test/fixtures/real-server";
import type { Experiment } from "../experiment";
import type { TortureRun } from "../torture-run";

const COMMAND = join(packageRoot(), "dist", "src", "cli", "main.js");
const AT_ONCE = 4;

/** `two-servers`: a home has one server, whoever else wants to be it. */
export const twoServers: Experiment = {
  name: "two-servers",
  promise:
    "A home has one server: a second one says whose it is and harms nothing, and whoever comes after one that was killed finds no lock.",
  method:
    "Second servers are started beside one that works; it is killed, its card is left and names a process that is somebody else's; several programs start the embedded server at the same moment and must find the same one. A snapshot and a running sandbox have to live through all of it.",
  share: 1,
  async run(run) {
    const server = new RealServer({ dir: run.dir, runtime: "runc" });
    run.defer(() => server.end("SIGKILL"));
    await server.start();
    const kept = await keepSomething(server);
    const counts = { "second servers": 0, "cards of the dead": 0, "programs at once": 0 };
    const broken: string[] = [];
    for (let round = 0; round === 0 || (run.size === "long" && Date.now() < run.deadline); round += 1) {
      broken.push(...(await startSeconds(server)));
      counts["second servers"] += AT_ONCE;
      await server.end("SIGKILL");
      blameSomebodyElse(server.home);
      counts["cards of the dead"] += 1;
      broken.push(...(await startTogether(server.home, run)));
      counts["programs at once"] += AT_ONCE;
      await server.start();
      broken.push(...(await kept()));
    }
    await server.call("DELETE", "/snapshots/kept");
    await server.deleteSandboxes();
    await server.end("SIGTERM");
    return { counts, lost: [], leaked: homeCensus(server.home), broken };
  },
};

/** A snapshot and a sandbox; what it returns says what is not as it was. */
async function keepSomething(server: RealServer): Promise<() => Promise<string[]>> {
  const image = { base: "base", steps: [{ type: "run", args: { commands: ["echo kept > /kept"] } }] };
  await server.call("POST", "/snapshots", { name: "kept", image });
  const made = await server.call("POST", "/sandboxes", { snapshot: "kept" });
  const { sandboxID } = (await made.json()) as { sandboxID: string };
  await server.exec(sandboxID, "echo mine > /tmp/mine");
  return async () => {
    const { stdout } = await server.exec(sandboxID, "cat /kept /tmp/mine");
    return stdout === "kept\nmine\n" ? [] : [`the sandbox holds ${JSON.stringify(stdout)}`];
  };
}

/** @returns what was wrong with those that should have been refused */
async function startSeconds(server: RealServer): Promise<string[]> {
  const seconds = Array.from({ length: AT_ONCE }, () => serve(server.home));
  const ends = await Promise.all(seconds);
  const wrong = ends.filter(({ code, said }) => code === 0 || !said.includes(`pid ${server.card.pid}`));
  const health = await fetch(`${server.card.url}/health`);
  return [
    ...wrong.map(({ code, said }) => `a second server ended with ${code} and said ${said.slice(-300)}`),
    ...(health.ok ? [] : [`the first answers ${health.status}`]),
  ];
}

async function serve(home: string): Promise<{ readonly code: number | null; readonly said: string }> {
  const child = spawn(process.execPath, [COMMAND, "serve", "--home", home], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      said += chunk;
    });
  const limit = setTimeout(() => child.kill("SIGKILL"), 60_000);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(limit);
  return { code, said };
}

/** Its pid comes around again: now it is ours, and no server's. */
function blameSomebodyElse(home: string): void {
  const file = join(home, "server.json");
  const card = JSON.parse(readFileSync(file, "utf8")) as object;
  writeFileSync(file, JSON.stringify({ ...card, pid: process.pid }), { mode: 0o600 });
}

/** @returns what was wrong where several start the embedded server at the same moment; it is ended afterwards */
async function startTogether(home: string, run: TortureRun): Promise<string[]> {
  const env = { ...process.env, OPENCOMPUTER_HOME: home, OPENCOMPUTER_RUNTIME: "runc" };
  const programs = Array.from({ length: AT_ONCE }, () =>
    connectEmbedded({ env, signal: run.signal, onProgress: () => undefined }).then(
      () => null,
      (error: Error) => `a program found no server: ${error.message}`,
    ),
  );
  const problems = (await Promise.all(programs)).filter((problem) => problem !== null);
  const found = await findEmbedded(home, { signal: run.signal });
  if (!found) return [...problems, "there is no server afterwards"];
  process.kill(found.card.pid, "SIGTERM");
  const { pid } = found.card;
  const isOver = untilTrue(30_000, async () => !isAlive(pid));
  return await isOver.then(
    () => problems,
    () => [...problems, `the server with pid ${pid} did not end`],
  );
}
