import { expect, it } from "vitest";
import { BuildQueue } from "../../src/server/services/build-queue";

it("loses no turn of one who leaves just when it comes", async () => {
  const queue = new BuildQueue(1);
  const forEver = new AbortController().signal;
  const leaving = new AbortController();
  const ahead: number[] = [];
  const note = (count: number) => void ahead.push(count);
  const end = await queue.enter(forEver, note);
  const left = queue.enter(leaving.signal, note);
  const next = queue.enter(forEver, note);
  leaving.abort();
  end();
  await expect(left).rejects.toMatchObject({ code: "aborted" });
  (await next)();
  (await queue.enter(forEver, note))();
  expect(ahead).toEqual([1, 2]);
});
