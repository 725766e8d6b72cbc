import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createDoorFinder } from "../../../src/engines/local/doors";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const at = (host: string, port = 80) => ({ host, port, protocol: "tcp" as const });

test("names become their addresses, addresses stay, and each door is there once", async () => {
  const find = createDoorFinder(async () => ["10.0.0.1", "10.0.0.2"]);
  const doors = await find([at("mirror"), at("mirror", 81), at("192.0.2.1"), at("10.0.0.2")]);
  expect(doors.map(({ address, port }) => `${address}:${port}`)).toEqual([
    ...["10.0.0.1:80", "10.0.0.2:80", "10.0.0.1:81", "10.0.0.2:81", "192.0.2.1:80"],
  ]);
});

test("a name that moved keeps its old address for an hour, and one that is not found its last", async () => {
  let answer: string[] = ["10.0.0.1"];
  const find = createDoorFinder(async () => answer);
  const addresses = async () => (await find([at("mirror")])).map(({ address }) => address);
  expect(await addresses()).toEqual(["10.0.0.1"]);
  answer = ["10.0.0.2"];
  vi.advanceTimersByTime(1_800_000);
  expect(await addresses()).toEqual(["10.0.0.1", "10.0.0.2"]);
  vi.advanceTimersByTime(1_900_000);
  expect(await addresses()).toEqual(["10.0.0.2"]);
  answer = [];
  vi.advanceTimersByTime(60_000);
  expect(await addresses()).toEqual(["10.0.0.2"]);
});

test("no name opens a metadata service; a resolver at its address is one for names only", async () => {
  const find = createDoorFinder(async () => ["169.254.169.254"]);
  const udp = { host: "169.254.169.254", port: 53, protocol: "udp" as const };
  expect(await find([at("mirror"), at("169.254.169.254"), udp])).toEqual([
    { address: "169.254.169.254", port: 53, protocol: "udp" },
  ]);
});
