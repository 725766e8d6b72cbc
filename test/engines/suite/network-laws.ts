import { execFileSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { NetworkPolicy } from "../../../src/engines/engine";
import { REACH_TABLE } from "../../../src/engines/local/firewall-rules";
import { PROBE, type Probed } from "../../fixtures/network-probe";
import { MAIL_PORT, OUTSIDE_PORT } from "../../fixtures/outside";
import { Bench, type EngineUnderTest, run } from "./engine-under-test";

/** A sandbox reaches what its policy says and nothing else, and learns of the rest at once. */
export function networkLaws(under: EngineUnderTest): void {
  describe("networks", () => {
    let bench: Bench;
    let made: string[] = [];
    beforeAll(async () => {
      bench = new Bench(under);
      await bench.start();
    });
    afterEach(async () => {
      for (const id of made.splice(0)) await bench.engine.destroySandbox(id);
    });
    afterAll(async () => bench.engine.stop());
    const sandbox = async (network?: NetworkPolicy) => {
      const id = await bench.sandbox(undefined, network === undefined ? {} : { network });
      made = [...made, id];
      return id;
    };
    const places = () => {
      const { addresses, block, privateAddresses, hostUrls } = under.outside();
      const [first, second] = addresses;
      const host = under.reachableUrl();
      // What is at 127.0.0.1 inside is the sandbox's own.
      const closed = [
        ...privateAddresses.map(at),
        `ask ${privateAddresses[0]}`,
        `http://${first}:${MAIL_PORT}/`,
        ...hostUrls().filter((url) => !url.includes("/127.")),
      ];
      return { first, second, block, host, closed };
    };
    type Places = ReturnType<typeof places>;
    const at = (host: string) => `http://${host}:${OUTSIDE_PORT}/`;

    interface Case {
      readonly name: string;
      readonly network: (at: Places) => NetworkPolicy;
      readonly reaches: (at: Places) => string[];
      readonly refuses: (at: Places) => string[];
    }

    const cases: readonly Case[] = [
      {
        name: "none reaches nothing but itself",
        network: () => "none",
        reaches: () => ["itself"],
        refuses: ({ first, host }) => [at(first), host, at("first.test"), `ask ${first}`, "ask 10.213.0.1"],
      },
      {
        name: "egress reaches the world outside and where packages come from, and no private address",
        network: () => "egress",
        reaches: ({ first, second, host }) => ["itself", at(first), at(second), host, `ask ${second}`],
        refuses: ({ closed }) => closed,
      },
      {
        name: "an address, and neither a second one, nor names, nor the host",
        network: ({ first }) => ({ allow: [first] }),
        reaches: ({ first }) => ["itself", at(first), `ask ${first}`],
        refuses: ({ second, host }) => [at(second), `ask ${second}`, host, at("first.test"), at("second.test")],
      },
      {
        name: "a block, and not the address beyond it",
        network: ({ block }) => ({ allow: [block, block.replace("/30", "/32")] }),
        reaches: ({ first }) => [at(first)],
        refuses: ({ second }) => [at(second)],
      },
      {
        name: "a name, once it was asked for, and no other name or address",
        network: () => ({ allow: ["first.test"] }),
        reaches: ({ first }) => [at("first.test"), at("FIRST.test."), at(first)],
        refuses: ({ second, host }) => {
          const names = ["second.test", "below.first.test", "nofirst.test", "first.test.evil.test"];
          return [at(second), `ask ${second}`, host, ...names.map(at)];
        },
      },
      {
        name: "names below a name, and not that name itself",
        network: () => ({ allow: ["*.first.test"] }),
        reaches: () => [at("below.first.test")],
        refuses: () => [at("first.test"), at("unknown.first.test"), at("second.test")],
      },
      {
        name: "names without an address, or that stand for what is closed",
        network: () => ({ allow: ["inward.test", "private.test", "unknown.test"] }),
        reaches: () => [],
        refuses: () => [at("inward.test"), at("private.test"), at("unknown.test")],
      },
      {
        name: "the address that packages come from, and nothing else there",
        network: () => ({ allow: ["10.213.0.1"] }),
        reaches: ({ host }) => [host],
        refuses: ({ first, closed }) => [at(first), ...closed],
      },
      {
        name: "a block that holds everything opens nothing that is closed",
        network: () => ({ allow: ["0.0.0.0/0"] }),
        reaches: ({ first, second }) => [at(first), at(second)],
        refuses: ({ closed }) => closed,
      },
    ];

    test.each(cases)("$name", async ({ network, reaches, refuses }) => {
      const id = await sandbox(network(places()));
      const [open, closed] = [reaches(places()), refuses(places())];
      // Before and after: what was reached opens nothing else.
      const outcome = await probe(bench, id, [...closed, ...open, ...closed]);
      for (const place of open) expect(outcome.filter((one) => one.place === place)).toMatchObject([{ reached: true }]);
      for (const place of closed) {
        for (const one of outcome.filter((other) => other.place === place)) {
          expect(one).toMatchObject({ reached: false });
          expect(one.seconds, `${place}: ${one.said}`).toBeLessThan(2);
        }
      }
    });

    test("a build step reaches what a sandbox reaches", async () => {
      const { first, host, closed } = places();
      const program = Buffer.from(PROBE).toString("base64");
      const [open, probes] = [
        [at(first), host],
        [at(first), host, ...closed],
      ];
      const words = probes.map((place) => `'${place}'`).join(" ");
      // Another each time: what was built before has probed before.
      const step = run(`echo ${program} | base64 -d | python3 - ${words} > /probed; : ${Date.now()}`);
      const id = await bench.sandbox(await bench.build([step]));
      made = [...made, id];
      const outcome = JSON.parse((await bench.sh(id, "cat /probed")).stdout) as Probed[];
      expect(outcome.filter(({ reached }) => reached).map(({ place }) => place)).toEqual(open);
      expect(outcome).toHaveLength(probes.length);
    });

    test("what the operator opened is reached; the metadata service and the host only where their address is named", async () => {
      const { privateAddresses, hostUrls } = under.outside();
      const [first] = privateAddresses;
      const metadata = "169.254.169.254";
      const host = hostUrls().find((url) => url.includes("//10.213.0.1:")) ?? "";
      const reached = async (reach: string[], network: NetworkPolicy) => {
        await bench.engine.stop();
        bench = new Bench({ ...under, create: () => under.create({ reach }) });
        await bench.start();
        const id = await bench.sandbox(undefined, { network });
        const outcome = await probe(bench, id, [at(first), at(metadata), host]);
        await bench.engine.destroySandbox(id);
        await bench.engine.stop();
        // As it was, also where something is wrong.
        bench = new Bench(under);
        await bench.start();
        return outcome.filter((one) => one.reached).map(({ place }) => place);
      };
      const blocks = ["10.0.0.0/8", "169.254.0.0/16"];
      expect(await reached(blocks, "egress")).toEqual([at(first)]);
      expect(await reached(blocks, { allow: [first, "private.test"] })).toEqual([at(first)]);
      expect(await reached([metadata, "10.213.0.1"], "egress")).toEqual([at(metadata), host]);
      expect(await reached([`${metadata}/32`, "0.0.0.0/0"], { allow: [metadata] })).toEqual([at(metadata)]);
    });

    test("an address that a name stands for is out of reach until somebody asks for the name", async () => {
      const id = await sandbox({ allow: ["first.test"] });
      const { first } = places();
      const outcome = await probe(bench, id, [at(first), at("first.test"), at(first)]);
      expect(outcome.map(({ reached }) => reached)).toEqual([false, true, true]);
    });

    test("who asks only for what is not allowed is not heard outside", async () => {
      const id = await sandbox({ allow: ["first.test"] });
      const before = under.outside().asked().length;
      await probe(bench, id, [at("secret.second.test"), at("below.first.test"), at("first.test")]);
      expect(new Set(under.outside().asked().slice(before))).toEqual(new Set(["first.test"]));
    });

    test("many addresses and servers that do not answer hold nobody up for long", async () => {
      const id = await sandbox({ allow: ["many.test", "lame.test", "first.test"] });
      const [many, lame] = await probe(bench, id, [at("many.test"), at("lame.test")]);
      expect(many).toMatchObject({ reached: true });
      expect(lame).toMatchObject({ reached: false });
      expect(lame?.seconds).toBeLessThan(20);
    });

    test("no other sandbox, even where its address is on the list", async () => {
      const [server, one] = [await sandbox(), await sandbox({ allow: ["0.0.0.0/0"] })];
      await bench.sh(server, "python3 -m http.server 8000 >/dev/null 2>&1 & sleep 1");
      const address = (await bench.sh(server, "tail -1 /etc/hosts | cut -f1")).stdout.trim();
      const outcome = await probe(bench, one, [at(address), at(places().first)]);
      expect(outcome.map(({ reached }) => reached)).toEqual([false, true]);
    });

    test("what one was allowed, the next one in its place is not", async () => {
      const { first, second } = places();
      for (const allowed of [first, second, first]) {
        const id = await sandbox({ allow: [allowed] });
        const outcome = await probe(bench, id, [at(first), at(second)]);
        expect(outcome.map(({ reached }) => reached)).toEqual([allowed === first, allowed === second]);
        await bench.engine.destroySandbox(id);
      }
      const free = await sandbox();
      expect(await probe(bench, free, [at(first), at(second)])).toMatchObject([{ reached: true }, { reached: true }]);
    });

    test.each(["10.77.0.1", "192.168.0.0/16", "169.254.169.254", "127.0.0.1", "100.64.0.0/10", "10.213.0.0/30"])(
      "%j is closed, and cannot be on a list",
      async (destination) => {
        await expect(sandbox({ allow: [destination] })).rejects.toMatchObject({
          code: "invalid_input",
          message: expect.stringMatching(new RegExp(`"${destination}".*OPENCOMPUTER_REACH`)),
        });
      },
    );

    test.each(["192.0.2.256", "192.0.2.0/33", "*", "*.*.test", "a b", "2001:db8::1", "10.0.0.0/8; drop"])(
      "%j is no destination, and leaves nothing",
      async (destination) => {
        const made = sandbox({ allow: ["first.test", destination] });
        await expect(made).rejects.toMatchObject({
          code: "invalid_input",
          message: expect.stringContaining(destination),
        });
        expect(under.holdings().filter((line) => line.startsWith("rules "))).toEqual([]);
        // The engine's own, and those that are ready for the next ones.
        expect(under.holdings().filter((line) => line.startsWith("slot ")).length).toBeLessThanOrEqual(3);
      },
    );

    test("whose list somebody took out of the firewall reaches nothing, until it is stated again", async () => {
      const id = await sandbox({ allow: [places().first, "second.test"] });
      const wanted = [at(places().first), at("second.test")];
      expect(await probe(bench, id, wanted)).toMatchObject([{ reached: true }, { reached: true }]);
      const address = (await bench.sh(id, "tail -1 /etc/hosts | cut -f1")).stdout.trim();
      const [, , third = 0, fourth = 0] = address.split(".").map(Number);
      execFileSync("nft", [`delete element ${REACH_TABLE} confined { oc${(third * 256 + fourth - 2) / 4} }`]);
      expect(await probe(bench, id, wanted)).toMatchObject([{ reached: false }, { reached: false }]);
      await bench.engine.stop();
      await bench.start([id]);
      expect(await probe(bench, id, wanted)).toMatchObject([{ reached: true }, { reached: true }]);
    });

    test("a restart of the engine changes nothing", async () => {
      const [none, named] = [await sandbox("none"), await sandbox({ allow: ["first.test", "second.test"] })];
      const { first } = places();
      expect(await probe(bench, named, [at("first.test")])).toMatchObject([{ reached: true }]);
      await bench.engine.stop();
      await bench.start([none, named]);
      const outcome = await probe(bench, named, [
        at(first),
        at("second.test"),
        at("below.first.test"),
        under.reachableUrl(),
      ]);
      expect(outcome.map(({ reached }) => reached)).toEqual([true, true, false, false]);
      expect(await probe(bench, none, [at(first)])).toMatchObject([{ reached: false }]);
    });
  });
}

/** Tries places from inside; see {@link PROBE}. */
async function probe(bench: Bench, id: string, places: readonly string[]): Promise<Probed[]> {
  const { stdout, stderr } = await bench.run(id, ["python3", "-c", PROBE, ...places], { timeoutMs: 120_000 });
  expect(stderr).toBe("");
  return JSON.parse(stdout) as Probed[];
}
