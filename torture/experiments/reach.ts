import { CLOSED_BLOCKS } from "../../src/engines/local/closed-addresses";
import type { Probed } from "../../test/fixtures/network-probe";
import { MAIL_PORT, OUTSIDE_PORT, type Outside, startOutside } from "../../test/fixtures/outside";
import type { Experiment, Findings } from "../experiment";
import { forgeries } from "../reach-forgeries";
import { CHANGES, LISTEN } from "../reach-programs";
import { hostAddresses, type Placed, ReachSite } from "../reach-site";
import type { TortureRun } from "../torture-run";

const RUNTIMES = ["runc", "runsc"] as const;
const LONG_ROUNDS = 50;
/** Nobody is behind these: what is not refused at once was sent somewhere. */
const REFUSED_WITHIN_SECONDS = 2;

const at = (host: string, port: number | string = OUTSIDE_PORT) => `http://${host}:${port}/`;

/** `reach`: where packets of hostile code come to. */
export const reach: Experiment = {
  name: "reach",
  promise:
    "Code in a sandbox or a build step reaches the world outside and what its network policy names, and neither the host, its loopback, metadata services, private networks nor other sandboxes.",
  method:
    "Root inside connects to every address of the host, to hosts that the experiment puts at private and metadata addresses, to another sandbox and to random closed addresses, by address and by names that stand for them or begin to; takes raw sockets, addresses and routes; and frames with false senders, in pieces, tagged or wrapped are sent from the sandbox's own network namespace. Whatever arrives, and whatever is not refused at once, is a hole.",
  share: 2,
  run: async (run) => {
    const tally = new Tally();
    const outside = await startOutside();
    run.defer(() => outside.close());
    const sites = [];
    for (const runtime of RUNTIMES) sites.push(await ReachSite.open(run, runtime, outside));
    const rounds = run.size === "short" ? 1 : LONG_ROUNDS;
    for (let round = 0; round < rounds && !run.signal.aborted; round++) {
      if (round > 0 && Date.now() > run.deadline) break;
      for (const site of sites) await attack(run, site, outside, tally);
      run.say(`${round + 1} rounds, ${tally.probes} probes`);
    }
    for (const site of sites) tally.leaked.push(...(await site.close()));
    return tally.findings();
  },
};

class Tally {
  probes = 0;
  frames = 0;
  changes = 0;
  names = 0;
  arrived = 0;
  readonly leaked: string[] = [];
  readonly broken: string[] = [];

  /** These were to be reached, and nothing else. */
  judge(who: string, outcome: readonly Probed[], open: readonly string[]): void {
    this.probes += outcome.length;
    for (const { place, reached, said, seconds } of outcome) {
      if (reached) this.arrived += 1;
      if (reached !== open.includes(place))
        this.broken.push(`${who} ${reached ? "reached" : `did not reach (${said})`} ${place}`);
      else if (!reached && seconds > REFUSED_WITHIN_SECONDS)
        this.broken.push(`${who} waited ${seconds.toFixed(1)} s for ${place}`);
    }
  }

  findings(): Findings {
    const { probes, frames, changes, names, arrived, leaked, broken } = this;
    const counts = { "connections tried": probes, "of these allowed and made": arrived, "frames forged": frames };
    return {
      counts: { ...counts, "changes tried inside": changes, "names that moved": names },
      lost: [],
      leaked,
      broken,
    };
  }
}

async function attack(run: TortureRun, site: ReachSite, outside: Outside, tally: Tally): Promise<void> {
  const hostile = await site.sandbox("egress");
  const neighbour = await site.sandbox("egress");
  const confined = await site.sandbox({ allow: ["first.test", "private.test", "moving.test", "0.0.0.0/0"] });
  await site.leave(neighbour.id, LISTEN);
  await site.leave(neighbour.id, "import http.server as h; h.test(port=8000)");
  const open = [...outside.addresses.map((one) => at(one)), `ask ${outside.addresses[0]}`];
  const closed = closedPlaces(run, outside, neighbour);
  tally.judge("a sandbox", await site.probe(hostile.id, [...open, site.mirror, ...closed]), [...open, site.mirror]);
  tally.judge("a build step", await site.probeInStep([...open, site.mirror, ...closed]), [...open, site.mirror]);
  const named = [at("first.test"), at("private.test"), at("second.test")];
  const reachable = [at("first.test"), ...open, site.mirror];
  tally.judge(
    "a confined sandbox",
    await site.probe(confined.id, [...named, ...open, site.mirror, ...closed]),
    reachable,
  );
  await moveNames(site, outside, confined, tally);
  await changeNetwork(site, hostile, tally);
  tally.judge("a sandbox that changed its network", await site.probe(hostile.id, [...open, ...closed]), open);
  await forge(site, outside, { hostile, neighbour }, tally);
  await site.end([hostile, neighbour, confined]);
}

/** All there is on this machine and beside it, and some that nobody is at. */
function closedPlaces(run: TortureRun, outside: Outside, neighbour: Placed): string[] {
  const own = outside.hostUrls().filter((url) => !url.includes("//127."));
  const newer = hostAddresses("IPv6").map((address) => at(`[${address}]`, new URL(own[0] ?? "").port));
  const anywhere = Array.from({ length: 8 }, () => at(randomAddress(run), run.between(1, 65_535)));
  const others = [at(neighbour.inside), at(neighbour.gateway), at("0.0.0.0"), at(outside.addresses[0], MAIL_PORT)];
  return [...own, ...newer, ...outside.privateAddresses.map((one) => at(one)), ...others, ...anywhere];
}

function randomAddress(run: TortureRun): string {
  // What begins so is the sandbox's own, or many hosts', whom nobody connects to.
  const elsewhere = CLOSED_BLOCKS.filter((one) => !/^(0|127|224)\./.test(one));
  const [address = "", prefix = "32"] = run.pick(elsewhere as [string, ...string[]]).split("/");
  const first = address.split(".").reduce((number, byte) => number * 256 + Number(byte), 0);
  const number = first + run.between(0, 2 ** (32 - Number(prefix)) - 1);
  return [24, 16, 8, 0].map((bits) => Math.floor(number / 2 ** bits) % 256).join(".");
}

/** A name is allowed, and whoever answers for it sends the sandbox elsewhere. */
async function moveNames(site: ReachSite, outside: Outside, confined: Placed, tally: Tally): Promise<void> {
  const place = at("moving.test");
  const targets = [outside.addresses[0], ...outside.privateAddresses, "127.0.0.1", "10.213.0.1", outside.addresses[1]];
  for (const target of targets) {
    outside.move("moving.test", [target]);
    const isOpen = outside.addresses.some((one) => one === target);
    tally.names += 1;
    tally.judge(`a name that moved to ${target}`, await site.probe(confined.id, [place]), isOpen ? [place] : []);
  }
}

/** What of this succeeds in there, in gVisor's own kernel, say, is nobody's business: what it is good for is. */
async function changeNetwork(site: ReachSite, hostile: Placed, tally: Tally): Promise<void> {
  tally.changes += Number(await site.python(hostile.id, CHANGES));
}

interface Pair {
  readonly hostile: Placed;
  readonly neighbour: Placed;
}

/** What is sent as the sandbox itself would must arrive: else this would prove nothing. */
async function forge(site: ReachSite, outside: Outside, { hostile, neighbour }: Pair, tally: Tally): Promise<void> {
  const { honest, forged } = forgeries({ site, outside, hostile, neighbour });
  tally.frames += await site.forge(hostile, [...forged, ...honest]);
  const arrived = async () => [
    ...outside.heard(),
    ...site.heard,
    ...(await site.python(neighbour.id, "print(open('/tmp/heard').read())")).split("\n"),
  ];
  const isThere = (all: readonly string[], token: string) => all.some((text) => text.startsWith(token));
  let all: string[] = [];
  for (let tries = 0; tries < 20; tries++) {
    all = await arrived();
    if (honest.every(({ token }) => isThere(all, token))) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  for (const { token } of honest) if (!isThere(all, token)) tally.broken.push(`${token} did not arrive`);
  for (const { token } of forged) if (isThere(all, token)) tally.broken.push(`${token} arrived`);
}
