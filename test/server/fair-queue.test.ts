import { describe, expect, it } from "vitest";
import { FairQueue, type Place } from "../../src/server/services/fair-queue";

const forEver = new AbortController().signal;

/** Takes places in a queue of one turn at a time, ends every turn as soon as it comes, and tells their order. */
async function orderOf(waiters: readonly string[]): Promise<{ order: string[]; ahead: number[] }> {
  const queue = new FairQueue(1);
  const order: string[] = [];
  const first = queue.join({ group: "first" });
  const places = waiters.map((name) => queue.join({ group: name[0] ?? "", background: name.startsWith("~") }));
  const turns = places.map(async (place, index) => {
    await place.turn(forEver);
    order.push(waiters[index] ?? "");
    place.leave();
  });
  first.leave();
  await Promise.all(turns);
  return { order, ahead: places.map(({ ahead }) => ahead) };
}

describe("the fair queue", () => {
  it.each([
    [["a1", "a2", "a3"], "a1 a2 a3", [1, 2, 3]],
    [["a1", "a2", "a3", "b1", "b2"], "a1 b1 a2 b2 a3", [1, 2, 3, 2, 4]],
    [["a1", "a2", "b1", "c1", "a3"], "a1 b1 c1 a2 a3", [1, 2, 2, 3, 5]],
    [["~1", "~2", "a1", "a2"], "a1 a2 ~1 ~2", [1, 2, 1, 2]],
    [["a1", "~1", "b1"], "a1 b1 ~1", [1, 2, 2]],
  ])("of %j the turns are %s", async (waiters, order, ahead) => {
    expect(await orderOf(waiters)).toEqual({ order: order.split(" "), ahead });
  });

  it("has as many at a time as it was told, and never more", async () => {
    const queue = new FairQueue(3);
    let [working, most] = [0, 0];
    const work = async (place: Place) => {
      await place.turn(forEver);
      working += 1;
      most = Math.max(most, working);
      await new Promise((resolve) => setImmediate(resolve));
      working -= 1;
      place.leave();
      place.leave();
    };
    await Promise.all(Array.from({ length: 50 }, (_, index) => work(queue.join({ group: String(index % 7) }))));
    expect({ working, most }).toEqual({ working: 0, most: 3 });
  });

  it("loses no turn of one who leaves just when it comes, or before", async () => {
    const queue = new FairQueue(1);
    const leaving = new AbortController();
    const [first, left, gone, last] = ["a", "a", "b", "a"].map((group) => queue.join({ group }));
    const rejected = expect(left?.turn(leaving.signal)).rejects.toMatchObject({ code: "aborted" });
    gone?.leave();
    leaving.abort();
    first?.leave();
    await rejected;
    await last?.turn(forEver);
    last?.leave();
    expect(queue.join({ group: "a" }).ahead).toBe(0);
  });
});
