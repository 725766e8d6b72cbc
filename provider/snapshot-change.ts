import type { SnapshotChange } from "../src/api/contract";
import type { Properties } from "./context";
import { isSame } from "./is-same";

/** Whether what a server keeps with a name is another; a warm pool of none is as good as no word of one. */
export function isKeptOtherwise(olds: Properties, news: Properties): boolean {
  const [before, after] = [olds, news].map(({ labels, retention, warmPool = 0 }) => ({ labels, retention, warmPool }));
  return !isSame({ ...before }, { ...after });
}

/**
 * What sets all of it, also to nothing. The pool stands there only where it is another: servers of earlier versions know
 * none.
 *
 * @param before the pool that there is
 */
export function toChange(
  { labels = {}, retention = {}, warmPool = 0 }: SnapshotChange,
  before: unknown,
): SnapshotChange {
  return { labels, retention, ...((before ?? 0) === warmPool ? {} : { warmPool }) };
}
