import { containersOf, homeCensus, slotsOf } from "../test/fixtures/home-census";
import { compareWithRecords } from "../test/fixtures/home-records";
import { untilTrue } from "../test/fixtures/real-server";
import type { KillSite } from "./kill-site";
import { Account, type Files, type NameState, type SandboxState } from "./ledger";

/** What was not as it should be. */
export interface Damage {
  readonly lost: string[];
  readonly leaked: string[];
  readonly broken: string[];
}

export interface Check extends Damage {
  /** How many files were read and compared. */
  files: number;
}

const AT_ONCE = 4;
/** Everything whose content is known. */
const FILES = "srv/v home/sandbox/m";
/** What stands there is not on a disk. */
const MEMORY = "dev/shm/mark";
/** A server makes its ready networks behind its answers. */
const SETTLE_MS = 10_000;
/** Ready ones, and the one that keeps the table of all. */
const SPARE_SLOTS = 3;

/** Looks at everything that the ledger knows, and notes there what became of what was in doubt. */
export async function check(site: KillSite): Promise<Check> {
  const found: Check = { lost: [], leaked: [], broken: [], files: 0 };
  await checkNames(site, found);
  await checkSandboxes(site, found);
  await checkCheckpoints(site, found);
  await inTurns(bytesToCheck(site), (bytes) => compareBytes(site, found, bytes));
  site.ledger.rest();
  await site.ask("POST", "/gc");
  await checkHome(site, found);
  return found;
}

async function checkNames(site: KillSite, found: Check): Promise<void> {
  const known = (await site.ask("GET", "/snapshots")) as { name: string }[];
  for (const { name } of known)
    if (!site.ledger.names.has(name)) found.broken.push(`nobody asked for snapshot ${name}`);
  for (const [name, account] of site.ledger.names) {
    const rows = ((await site.find(`/snapshots/${name}/versions`)) ?? []) as {
      contentHash: string;
      status: string;
      current: boolean;
    }[];
    for (const { status } of rows)
      if (status === "building") found.broken.push(`a version of ${name} is still building`);
    const ready = rows.filter(({ status }) => status === "ready");
    const actual: NameState = {
      current: ready.find(({ current }) => current)?.contentHash ?? null,
      hashes: ready.map(({ contentHash }) => contentHash).sort(),
    };
    const fits = account.possible.find(
      (state) => isEqual({ ...state, hashes: [...state.hashes].sort() }, actual) || isFailedBuild(state, rows, actual),
    );
    if (fits === undefined)
      found.lost.push(`${name} is ${text(actual)}, not ${account.possible.map(text).join(" or ")}`);
    account.settle(actual);
  }
}

/** Where a build that nobody waited for failed as the first of its name, that is what is current. */
function isFailedBuild(state: NameState, rows: readonly { readonly status: string }[], actual: NameState): boolean {
  return state.hashes.length === 0 && actual.hashes.length === 0 && rows.every(({ status }) => status === "failed");
}

async function checkSandboxes(site: KillSite, found: Check): Promise<void> {
  const { births, sandboxes } = site.ledger;
  const listed = (await site.ask("GET", "/sandboxes")) as { sandboxID: string; tags?: Record<string, string> }[];
  const born = new Map<string, number>();
  for (const { sandboxID, tags } of listed) {
    if (sandboxes.has(sandboxID)) continue;
    const op = tags?.["op"] ?? "";
    const birth = births.get(op);
    born.set(op, (born.get(op) ?? 0) + 1);
    if (birth === undefined || (born.get(op) ?? 0) > birth.most)
      found.broken.push(`nobody asked for sandbox ${sandboxID}`);
    else sandboxes.set(sandboxID, new Account<SandboxState>({ status: "running", files: birth.files }));
  }
  await inTurns([...sandboxes], async ([id, account]) => {
    const row = (await site.find(`/sandboxes/${id}`)) as { status: string } | undefined;
    const status = row === undefined || row.status === "stopped" ? "gone" : row.status;
    const fitting = account.possible.filter((state) => state.status === status);
    if (fitting.length === 0) {
      found.lost.push(`sandbox ${id} is ${status}, not ${account.possible.map((state) => state.status).join(" or ")}`);
    }
    if (status === "gone") return account.settle({ status, files: {} });
    const files = await filesOf(site, id, found);
    if (!fitting.some((state) => isEqual(state.files, files))) {
      found.lost.push(
        `sandbox ${id} has ${difference(
          fitting.map((state) => state.files),
          files,
        )}`,
      );
    }
    account.settle({ status: "running", files });
  });
}

async function checkCheckpoints(site: KillSite, found: Check): Promise<void> {
  const { checkpoints, checkpointWishes } = site.ledger;
  const rows = (await site.ask("GET", "/checkpoints")) as {
    id: string;
    sandboxId: string;
    name: string;
    status: string;
  }[];
  for (const { id, sandboxId, name } of rows) {
    if (checkpoints.has(id)) continue;
    const wish = [...checkpointWishes].find((one) => one.sandboxId === sandboxId && one.name === name);
    if (wish === undefined) found.broken.push(`nobody asked for checkpoint ${name} of ${sandboxId}`);
    else checkpoints.set(id, { ...wish, account: new Account({ status: "ready" }, { status: "failed" }) });
  }
  for (const [id, { account }] of checkpoints) {
    const status = rows.find((row) => row.id === id)?.status ?? "gone";
    const fits = account.possible.find((state) => state.status === status);
    const possible = account.possible.map((state) => state.status).join(" or ");
    if (fits === undefined) found.lost.push(`checkpoint ${id} is ${status}, not ${possible}`);
    account.settle(fits ?? { status: "gone" });
  }
}

/** What is read by a sandbox that is made for it. */
interface Bytes {
  readonly what: string;
  readonly open: () => Promise<unknown>;
  readonly files: Files;
  /** Where they are. */
  readonly paths: string;
}

function bytesToCheck(site: KillSite): Bytes[] {
  const { names, checkpoints, contents } = site.ledger;
  const versions = [...names].flatMap(([name, account]) =>
    (account.certain?.hashes ?? []).map((hash) => {
      const snapshot = `${name}@${hash}`;
      return {
        what: snapshot,
        open: () => site.ask("POST", "/sandboxes", { snapshot }),
        files: contents.get(hash) ?? {},
        paths: FILES,
      };
    }),
  );
  const ready = [...checkpoints].filter(([, { account }]) => account.certain?.status === "ready");
  const kept = ready.map(([id, { files, memory, kind }]) => ({
    what: `checkpoint ${id}`,
    open: () => site.ask("POST", `/sandboxes/from-checkpoint/${id}`, {}),
    files: { ...files, ...memory },
    paths: kind === "full" ? `${FILES} ${MEMORY}` : FILES,
  }));
  return [...versions, ...kept];
}

async function compareBytes(site: KillSite, found: Check, { what, open, files, paths }: Bytes): Promise<void> {
  try {
    const { sandboxID } = (await open()) as { sandboxID: string };
    const actual = await filesOf(site, sandboxID, found, paths);
    if (!isEqual(actual, files)) found.lost.push(`${what} has ${difference([files], actual)}`);
    await site.ask("DELETE", `/sandboxes/${sandboxID}`);
  } catch (error) {
    found.lost.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function filesOf(site: KillSite, id: string, found: Check, paths = FILES): Promise<Files> {
  const list = `cd / && { find ${paths} -type f 2>/dev/null || true; } | LC_ALL=C sort | xargs -r sha256sum`;
  const lines = (await site.exec(id, list)).split("\n").filter(Boolean);
  found.files += lines.length;
  return Object.fromEntries(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
}

/** Nothing on the machine or in the home belongs to nobody. */
async function checkHome(site: KillSite, found: Check): Promise<void> {
  const { home } = site.server;
  const leaks = () => {
    const live = [...site.ledger.sandboxes.keys()];
    const { stray, missing, unfinished } = compareWithRecords(home);
    const isLive = (line: string) => live.some((id) => line.includes(id));
    const containers = homeCensus(home).filter((line) => /\b(sb|b|m|gone)-[0-9a-f]{8}/.test(line) && !isLive(line));
    const slots = slotsOf(home);
    const spare = slots.length - live.length;
    return [
      ...[...stray, ...containers, ...unfinished.map((line) => `unfinished ${line}`)],
      ...missing.map((line) => `missing ${line}`),
      ...(spare > SPARE_SLOTS ? [`${slots.length} network slots for ${live.length} sandboxes`] : []),
    ];
  };
  await untilTrue(SETTLE_MS, async () => leaks().length === 0).catch(() => found.leaked.push(...leaks()));
  // Everybody who has a folder is somebody.
  const strangers = containersOf(home).filter((name) => !site.ledger.sandboxes.has(name));
  found.leaked.push(...strangers.map((name) => `a folder of ${name}`));
}

async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function isEqual(one: object, other: object): boolean {
  return text(one) === text(other);
}

/** With the keys in order. */
function text(value: object): string {
  return JSON.stringify(Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))));
}

function difference(possible: readonly Files[], actual: Files): string {
  const wanted = possible[0] ?? {};
  const paths = [...new Set([...Object.keys(wanted), ...Object.keys(actual)])];
  const wrong = paths.filter((path) => wanted[path] !== actual[path]);
  const say = (path: string) =>
    `${path} ${actual[path]?.slice(0, 8) ?? "absent"}, expected ${wanted[path]?.slice(0, 8) ?? "absent"}`;
  return `${wrong.slice(0, 5).map(say).join("; ")} (${wrong.length} of ${paths.length} files, ${possible.length} possibilities)`;
}
