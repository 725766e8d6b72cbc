import { expect, test } from "vitest";
import { compare, type Side } from "../../bench/comparison";

const { signal } = new AbortController();

function counting(name: string, order: string[]): Side {
  let calls = 0;
  return {
    name,
    measure: async () => {
      order.push(name);
      return ++calls;
    },
  };
}

test("sides take turns, each round begins with another, and the first round does not count", async () => {
  const order: string[] = [];
  const { figures } = await compare([counting("a", order), counting("b", order)], { rounds: 2, signal });
  expect(order).toEqual(["a", "b", "b", "a", "a", "b"]);
  expect(figures).toEqual([
    { name: "a", samples: 2, p50: 2, p95: 3, p99: 3 },
    { name: "b", samples: 2, p50: 2, p95: 3, p99: 3 },
  ]);
});

test("what a measurement needs ready is not timed, but comes before each", async () => {
  const order: string[] = [];
  const side: Side = { ...counting("measure", order), prepare: async () => void order.push("prepare") };
  await compare([side], { rounds: 1, signal });
  expect(order).toEqual(["prepare", "measure", "prepare", "measure"]);
});

test("a side that fails is told with its reason, and the others go on", async () => {
  let calls = 0;
  const failing: Side = {
    name: "failing",
    measure: async () => {
      if (++calls === 2) throw new Error("no more");
      return 1;
    },
  };
  const { figures, absences } = await compare([failing, counting("other", [])], { rounds: 3, signal });
  expect(figures.map(({ name, samples }) => [name, samples])).toEqual([["other", 3]]);
  expect(absences).toEqual([{ side: "failing", why: "no more", isFailure: true }]);
  expect(calls).toBe(2);
});

test("a signal ends the comparison, not one side of it", async () => {
  const stop = new AbortController();
  const side: Side = {
    name: "stopping",
    measure: async () => {
      stop.abort(new Error("stopped"));
      throw new Error("killed on the way");
    },
  };
  await expect(compare([side], { rounds: 1, signal: stop.signal })).rejects.toThrow("stopped");
});
