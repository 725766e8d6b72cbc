import { expect, test } from "vitest";
import { createStepFlights, type StepFlight } from "../../../src/engines/local/step-flights";

/** Layers, and works that make them when they are told to. */
function setUp() {
  const flights = createStepFlights();
  const there = new Set<string>();
  const works: { finish(): void; fail(error: Error): void }[] = [];
  let waits = 0;
  const fly = (key: string, wishes: Partial<StepFlight> = {}) =>
    flights.run(key, {
      work: () =>
        new Promise((resolve, reject) => {
          const finish = () => {
            there.add(key);
            resolve();
          };
          works.push({ finish, fail: reject });
        }),
      isThere: async () => there.has(key),
      onWait: () => {
        waits += 1;
      },
      signal: new AbortController().signal,
      ...wishes,
    });
  return { fly, there, works, waits: () => waits };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("one runs the step, all others follow, each told once that it waits", async () => {
  const { fly, works, waits } = setUp();
  const all = [fly("a"), fly("a"), fly("a")];
  await turn();
  works[0]?.finish();
  expect(await Promise.all(all)).toEqual(["led", "followed", "followed"]);
  expect([works.length, waits()]).toEqual([1, 2]);
});

test("steps of other keys do not wait", async () => {
  const { fly, works, waits } = setUp();
  const all = [fly("a"), fly("b")];
  await turn();
  for (const work of works) work.finish();
  expect(await Promise.all(all)).toEqual(["led", "led"]);
  expect(waits()).toBe(0);
});

test("what fails hands over to one of those who wait, whatever became of it", async () => {
  const { fly, works } = setUp();
  const [first, ...others] = [fly("a"), fly("a"), fly("a")];
  await turn();
  works[0]?.fail(new Error("cancelled"));
  await expect(first).rejects.toThrow("cancelled");
  await turn();
  expect(works).toHaveLength(2);
  works[1]?.finish();
  expect((await Promise.all(others)).sort()).toEqual(["followed", "led"]);
});

test("who is cancelled leaves at once, and the step runs on", async () => {
  const { fly, works } = setUp();
  const controller = new AbortController();
  const first = fly("a");
  const leaving = fly("a", { signal: controller.signal });
  await turn();
  controller.abort();
  await expect(leaving).rejects.toMatchObject({ code: "build_cancelled" });
  works[0]?.finish();
  expect(await first).toBe("led");
});

test("a layer that was made meanwhile is not made again", async () => {
  const { fly, there, works } = setUp();
  there.add("a");
  expect(await fly("a")).toBe("followed");
  expect(works).toEqual([]);
});
