import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createHand, type Hand } from "../../../src/engines/local/hand";

const PROGRAM = join(__dirname, "../../../dist/agent", process.arch, "opencomputer-hand");
const LINK = `ochand${process.pid % 1_000_000}`;
const NETWORK = [LINK, "10.214.255.1", "10.214.255.2", "1400", "100000", "65536"] as const;

let dir: string;
let hand: Hand;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "oc-hand-"));
  hand = createHand(PROGRAM, join(dir, "hand.sock"));
});
afterEach(() => {
  hand.close();
  rmSync(dir, { recursive: true, force: true });
});

const options = (limitSeconds = 10) => ({ log: join(dir, "log"), limitSeconds });
const said = () => readFileSync(join(dir, "log"), "utf8");
const isThere = (pid: string) => existsSync(`/proc/${pid}`);
const within = (netns: string, script: string) =>
  execFileSync("nsenter", [`--net=/proc/${netns}/ns/net`, "sh", "-c", script], { encoding: "utf8" });

/** The process of the hand that made a network: the parent of what holds it, by then. */
function parentOf(pid: string): number {
  return Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !isSo(); tries++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(isSo()).toBe(true);
}

test.each([
  ["exit 0", 0],
  ["exit 3", 3],
  ["kill -9 $$", 137],
])("a program's end is told: %s", async (script, result) => {
  expect(await hand.run(["/bin/sh", "-c", `echo hello; ${script}`], options())).toMatchObject({ result });
  expect(said()).toBe("hello\n");
});

test("a program has the standard streams and no others, no signal ignored, and nothing of the server's environment", async () => {
  await hand.run(
    ["/bin/sh", "-c", "readlink /proc/self/fd/0; ls /proc/self/fd; grep SigIgn /proc/self/status; env"],
    options(),
  );
  const [stdin, ...rest] = said().trimEnd().split("\n");
  expect(stdin).toBe("/dev/null");
  // Descriptor 3 is the directory that `ls` reads.
  expect(rest.slice(0, 5)).toEqual(["0", "1", "2", "3", "SigIgn:\t0000000000000000"]);
  expect(
    rest
      .slice(5)
      .map((line) => line.split("=")[0])
      .sort(),
  ).toEqual(["LC_ALL", "PATH", "PWD"]);
});

test("a program that runs too long is killed; one that cannot be started is an error", async () => {
  expect(await hand.run(["/bin/sleep", "60"], options(1))).toMatchObject({ result: 137 });
  await expect(hand.run(["/no/such"], options())).rejects.toMatchObject({ code: "internal" });
  await expect(hand.runConnected(["/no/such"], options())).rejects.toMatchObject({ code: "internal" });
  expect(await hand.runConnected(["/bin/false"], options())).toMatchObject({ result: 1, socket: null });
});

test("what programs say on descriptor 3 comes from the right one, whole, however many there are", async () => {
  const echo = async (word: string) => {
    const script = `read word <&3; echo "${word} $word" >&3`;
    const started = hand.runConnected(["/bin/sh", "-c", `(${script}) & exit 0`], options());
    const { socket } = await started;
    socket?.write("again\n");
    let text = "";
    for await (const chunk of socket ?? []) text += String(chunk);
    return text;
  };
  const words = Array.from({ length: 40 }, (_, index) => `word${index}`);
  expect(await Promise.all(words.map(echo))).toEqual(words.map((word) => `${word} again\n`));
  expect(statSync(join(dir, "hand.sock")).isSocket()).toBe(true);
});

test("a network is there as long as it is held, and links that are gone are gone", async () => {
  const { number, text: pid } = await hand.do("network", ...NETWORK);
  expect(readFileSync(`/proc/${pid}/uid_map`, "utf8").trim().split(/\s+/)).toEqual(["0", "100000", "65536"]);
  const inside = within(pid, "ip -o -4 addr; ip route; cat /sys/class/net/eth0/mtu");
  expect(inside).toContain("inet 127.0.0.1/8 scope host lo");
  expect(inside).toContain("inet 10.214.255.2/30 scope global eth0");
  expect(inside).toContain("default via 10.214.255.1 dev eth0");
  expect(readFileSync(`/proc/sys/net/ipv4/conf/${LINK}/rp_filter`, "utf8").trim()).toBe("1");
  await expect(hand.do("network", ...NETWORK)).rejects.toThrow("File exists");
  await hand.do("remove-link", LINK);
  await hand.do("remove-link", LINK);
  expect(isThere(pid)).toBe(true);
  hand.tell("release", String(number));
  await until(() => !isThere(pid));
});

test("a hand that dies fails what it was at and lets go of what it held; the next call has another", async () => {
  const { text: pid } = await hand.do("network", ...NETWORK);
  const asked = expect(hand.run(["/bin/sleep", "2"], options())).rejects.toMatchObject({ code: "internal" });
  process.kill(parentOf(pid), "SIGKILL");
  await asked;
  await until(() => !isThere(pid));
  expect(await hand.run(["/bin/true"], options())).toMatchObject({ result: 0 });
  await hand.do("remove-link", LINK);
});

test("one that is closed ends, and no other begins for who asks later", async () => {
  const other = createHand(PROGRAM, join(dir, "other.sock"));
  await other.run(["/bin/true"], options());
  const mine = () => readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").split(" ").filter(Boolean).length;
  const before = mine();
  other.close();
  await until(() => mine() === before - 1);
  await expect(other.ask("usage")).rejects.toMatchObject({ code: "internal" });
  expect(mine()).toBe(before - 1);
});

test("a server that dies takes the hand along", async () => {
  const program = `const { spawn } = require("node:child_process");
    const hand = spawn(${JSON.stringify(PROGRAM)}, { stdio: ["pipe", "pipe", "ignore"], detached: true });
    console.log(hand.pid); setInterval(() => {}, 1000);`;
  const server = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const pid = String(await new Promise((resolve) => server.stdout.once("data", resolve))).trim();
  expect(isThere(pid)).toBe(true);
  server.kill("SIGKILL");
  await until(() => !isThere(pid) || /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8")));
});

test("nothing is left in the folder of the socket but the socket", async () => {
  await hand.runConnected(["/bin/true"], options()).then(({ socket }) => socket?.destroy());
  expect(readdirSync(dir).sort()).toEqual(["hand.sock", "log"]);
});
