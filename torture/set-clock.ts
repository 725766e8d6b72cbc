import { readFileSync } from "node:fs";

/**
 * Loaded into a server before it starts (`node --require`): its time of day is off by the milliseconds that stand in the
 * file OPENCOMPUTER_TORTURE_CLOCK, from one moment to the next, as on a machine whose clock is set. What it measures with
 * `performance` and its timers go on as before, as they do there.
 */
const file = process.env["OPENCOMPUTER_TORTURE_CLOCK"];
const realNow = Date.now;
const shiftedNow = () => realNow() + (file ? Number(readFileSync(file, "utf8")) : 0);

globalThis.Date = new Proxy(Date, {
  construct: (target, given, made) => Reflect.construct(target, given.length === 0 ? [shiftedNow()] : given, made),
  get: (target, key) => (key === "now" ? shiftedNow : Reflect.get(target, key)),
});
