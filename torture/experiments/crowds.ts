import { homeCensus } from "../../test/fixtures/home-census";
import { RealServer, untilTrue } from "../../test/fixtures/real-server";
import type { Experiment } from "../experiment";
import type { TortureRun } from "../torture-run";

const CROWD = { short: 20, long: 50 } as const;
const TOKEN = /token-[0-9a-f]{32}/g;
/** Says what no second run of it would say. */
const DRAW = 'echo "token-$(od -An -N16 -tx1 /dev/urandom | tr -d " \\n")" | tee /token; sleep 1';

interface Tally {
  readonly counts: Record<string, number>;
  readonly broken: string[];
}

/** `crowds`: many who ask at once. */
export const crowds: Experiment = {
  name: "crowds",
  promise:
    "However many ask for one image at once, it is built once; who asks for another waits for his turn and gets it; a build that nobody waits for any more ends.",
  method:
    "Many ask for the same image at the same moment, whose step draws a number that all must be told; then as many for different ones, of which each must hold its own; then all hang up in the middle.",
  share: 1,
  async run(run) {
    const server = new RealServer({ dir: run.dir, runtime: "runc" });
    run.defer(() => server.end("SIGKILL"));
    await server.start();
    const tally: Tally = { counts: {}, broken: [] };
    for (let round = 0; round === 0 || (run.size === "long" && Date.now() < run.deadline); round += 1) {
      await askForOne(server, `one-${round}`, CROWD[run.size], tally);
      await askForMany(server, `many-${round}`, CROWD[run.size], tally);
      await hangUp(server, `left-${round}`, CROWD[run.size], { run, tally });
    }
    await server.call("POST", "/gc");
    await server.end("SIGTERM");
    return { counts: tally.counts, lost: [], leaked: homeCensus(server.home), broken: tally.broken };
  },
};

async function askForOne(server: RealServer, name: string, crowd: number, { counts, broken }: Tally): Promise<void> {
  const names = Array.from({ length: crowd }, (_, index) => `${name}-${index}`);
  const statuses = await Promise.all(names.map((one) => build(server, one, [`: ${name}`, DRAW])));
  const drawn = new Set<string>();
  for (const one of names) {
    const log = await (await server.call("GET", `/snapshots/${one}/log`)).text();
    for (const [token] of log.matchAll(TOKEN)) drawn.add(token);
  }
  add(counts, "who asked for the same", crowd);
  const refused = statuses.filter((status) => status !== 201);
  if (refused.length > 0) broken.push(`${name}: ${refused.length} of ${crowd} got ${refused[0]}`);
  if (drawn.size !== 1) broken.push(`${name}: ${drawn.size} numbers were drawn for one image`);
}

async function askForMany(server: RealServer, name: string, crowd: number, { counts, broken }: Tally): Promise<void> {
  const names = Array.from({ length: crowd }, (_, index) => `${name}-${index}`);
  const statuses = await Promise.all(names.map((one) => build(server, one, [`echo ${one} > /mine`])));
  add(counts, "who asked for different ones", crowd);
  for (const [index, one] of names.entries()) {
    if (statuses[index] !== 201) broken.push(`${one}: ${statuses[index]}`);
  }
  for (const one of [names[0], names.at(-1)]) {
    const box = (await (await server.call("POST", "/sandboxes", { snapshot: one })).json()) as { sandboxID?: string };
    const { stdout } = await server.exec(box.sandboxID, "cat /mine");
    if (stdout !== `${one}\n`) broken.push(`${one} holds ${JSON.stringify(stdout)}`);
    await server.call("DELETE", `/sandboxes/${box.sandboxID}`);
  }
}

/** All wait for one build, and leave one after the other; the last takes it along. */
async function hangUp(
  server: RealServer,
  name: string,
  crowd: number,
  { run, tally }: { readonly run: TortureRun; readonly tally: Tally },
): Promise<void> {
  const leave = Array.from({ length: crowd }, () => new AbortController());
  const asked = leave.map(({ signal }, index) =>
    build(server, `${name}-${index}`, [`: ${name}`, "sleep 300"], signal).catch(() => 0),
  );
  const builds = async () => {
    const all = (await (await server.call("GET", "/builds")).json()) as { name: string; status: string }[];
    return all.filter((one) => one.name.startsWith(`${name}-`));
  };
  await untilTrue(60_000, async () => (await builds()).length > 0);
  for (const one of leave) {
    one.abort();
    await new Promise((resolve) => setTimeout(resolve, run.between(0, 20)));
  }
  await Promise.all(asked);
  add(tally.counts, "who hung up", crowd);
  const isOver = async () => (await builds()).every(({ status }) => status === "cancelled");
  await untilTrue(30_000, isOver).catch(() => tally.broken.push(`${name}: nobody waits and it is built on`));
}

async function build(server: RealServer, name: string, commands: readonly string[], signal?: AbortSignal) {
  const image = { base: "base", steps: [{ type: "run", args: { commands } }] };
  const answer = await fetch(`${server.card.url}/api/snapshots`, {
    method: "POST",
    headers: { "X-API-Key": server.card.apiKey, "Content-Type": "application/json" },
    body: JSON.stringify({ name, image }),
    ...(signal ? { signal } : {}),
  });
  await answer.text();
  return answer.status;
}

function add(counts: Record<string, number>, what: string, count: number): void {
  counts[what] = (counts[what] ?? 0) + count;
}
