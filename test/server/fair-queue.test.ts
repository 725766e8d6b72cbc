import { describe, expect, it } from "vitest";
import { FairQueue } from "../../src/server/services/fair-queue";

const forEver = new AbortController().signal;

/** Enters a queue of one turn at a time, ends every turn as soon as it comes, and tells their order. */
async function orderOf(names: readonly string[]): Promise<{ order: string[]; ahead: number[] }> {
  const queue = new FairQueue(1);
  const order: string[] = [];
  const ahead: number[] = [];
  const endFirst = await queue.enter({ group: "first" }, forEver);
  const turns = names.map(async (name) => {
    const waiter = { group: name[0] ?? "", background: name.startsWith("~") };
    ahead.push(queue.countAhead(waiter));
    const end = await queue.enter(waiter, forEver);
    order.push(name);
    end();
  });
  endFirst();
  await Promise.all(turns);
  return { order, ahead };
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
    const work = async (group: string) => {
      const end = await queue.enter({ group }, forEver);
      working += 1;
      most = Math.max(most, working);
      await new Promise((resolve) => setImmediate(resolve));
      working -= 1;
      end();
      end();
    };
    await Promise.all(Array.from({ length: 50 }, (_, index) => work(String(index % 7))));
    expect({ working, most }).toEqual({ working: 0, most: 3 });
  });

  it("loses no turn of one who leaves just when it comes, or before", async () => {
    const queue = new FairQueue(1);
    const [leaving, gone] = [new AbortController(), new AbortController()];
    const endFirst = await queue.enter({ group: "a" }, forEver);
    const left = queue.enter({ group: "a" }, leaving.signal);
    const before = queue.enter({ group: "b" }, gone.signal);
    const last = queue.enter({ group: "a" }, forEver);
    gone.abort();
    await expect(before).rejects.toMatchObject({ code: "aborted" });
    leaving.abort();
    endFirst();
    await expect(left).rejects.toMatchObject({ code: "aborted" });
    (await last)();
    expect(queue.countAhead({ group: "a" })).toBe(0);
  });
});
