import { HOSTILE_PLACES } from "../../test/fixtures/hostile-images";
import { EscapeSite, TRICKS } from "../escape-site";
import type { Experiment, Findings } from "../experiment";
import type { TortureRun } from "../torture-run";

const RUNTIMES = ["runc", "runsc"] as const;
/** Restarts of the server in a round, while programs are being written to. */
const RESTARTS = { short: 1, long: 3 } as const;
const PLACES = { short: 1, long: HOSTILE_PLACES.length } as const;
const ATTEMPTS = { short: 2, long: TRICKS.length } as const;

/** `escapes`: what runs inside stays inside. */
export const escapes: Experiment = {
  name: "escapes",
  promise:
    "What runs in a sandbox or in a build step, as root, reaches neither the host's kernel, nor its files, nor its programs, and keeps nobody else from working.",
  method:
    "Root asks the kernel for mounts, namespaces, devices, clocks, modules, other sockets and files of the kernel; commands run in directories that lead through /proc; images replace what the runtime uses at the next start; every program in sight is written to while commands run and the server comes again; what runs the commands is stopped, killed and fed garbage. A canary on the host, the programs' digests, a neighbour and the server's health tell of it.",
  share: 3,
  async run(run) {
    // The engine's own laws attack on both in `npm test`.
    const runtimes = run.size === "long" ? RUNTIMES : (["runc"] as const);
    const sites = await Promise.all(runtimes.map((runtime) => EscapeSite.open(run, runtime)));
    let rounds = 0;
    do {
      for (const site of sites) await attack(run, site);
      rounds += 1;
      run.say(`${rounds} rounds`);
    } while (run.size === "long" && Date.now() < run.deadline && !run.signal.aborted);
    return toFindings(sites, rounds);
  },
};

async function attack(run: TortureRun, site: EscapeSite): Promise<void> {
  const id = await site.create();
  await site.askKernel(id);
  await site.tryWorkdirs(id);
  for (const place of some(run, HOSTILE_PLACES, PLACES[run.size])) await site.tryPlace(place);
  await site.overwrite(id, RESTARTS[run.size]);
  for (const trick of some(run, TRICKS, ATTEMPTS[run.size])) await site.turnOnAgent(trick);
  await site.remove(id);
}

/** So many of them, beginning anywhere. */
function some<T>(run: TortureRun, all: readonly T[], count: number): T[] {
  const first = run.between(0, all.length - 1);
  return [...all, ...all].slice(first, first + count);
}

async function toFindings(sites: readonly EscapeSite[], rounds: number): Promise<Findings> {
  const leaked: string[] = [];
  for (const site of sites) leaked.push(...(await site.close()));
  const sum = (what: keyof EscapeSite["counts"]) => sites.reduce((total, { counts }) => total + counts[what], 0);
  return {
    counts: {
      rounds,
      "questions to the kernel": sum("asked"),
      "working directories": sum("workdirs"),
      images: sum("images"),
      "strikes at programs": sum("strikes"),
      "attacks on what runs commands": sum("tricks"),
      "answers of neighbours meanwhile": sum("answers"),
    },
    lost: [],
    leaked,
    broken: sites.flatMap(({ broken }) => broken),
  };
}
