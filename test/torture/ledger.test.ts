import { describe, expect, test } from "vitest";
import { Account, Ledger, type SandboxState } from "../../torture/ledger";

const RUNNING: SandboxState = { status: "running", files: { a: "1" } };
const ASLEEP: SandboxState = { status: "hibernated", files: { a: "1" } };
const GONE: SandboxState = { status: "gone", files: {} };

describe("an account", () => {
  test("is certain until something is asked for, and again once that is settled", () => {
    const account = new Account(RUNNING);
    expect(account.certain).toBe(RUNNING);
    account.ask(ASLEEP);
    expect(account.certain).toBeUndefined();
    expect(account.possible).toEqual([RUNNING, ASLEEP]);
    account.settle(ASLEEP);
    expect(account.certain).toBe(ASLEEP);
  });
});

describe("a ledger", () => {
  const withSandboxes = (...states: readonly (readonly SandboxState[])[]) => {
    const ledger = new Ledger();
    for (const [index, possible] of states.entries()) ledger.sandboxes.set(String(index), new Account(...possible));
    return ledger;
  };

  test("offers what is certain and nobody is at work with", () => {
    const ledger = withSandboxes([RUNNING], [RUNNING, ASLEEP], [RUNNING], [ASLEEP]);
    const busy = ledger.sandboxes.get("2");
    if (busy) busy.busy = true;
    expect(ledger.freeSandboxes("running")).toEqual(["0"]);
    expect(ledger.freeSandboxes("hibernated")).toEqual(["3"]);
  });

  test("forgets what is gone for certain when it rests, and nothing else", () => {
    const ledger = withSandboxes([GONE], [RUNNING, GONE], [ASLEEP]);
    expect(ledger.sandboxCount).toBe(1);
    ledger.rest();
    expect([...ledger.sandboxes.keys()]).toEqual(["1", "2"]);
  });

  test.each<[string, readonly SandboxState[], readonly SandboxState[]]>([
    ["what runs is gone", [RUNNING], [GONE]],
    ["what sleeps is as it was", [ASLEEP], [ASLEEP]],
    ["what may have fallen asleep may be gone", [RUNNING, ASLEEP], [GONE, ASLEEP]],
    [
      "what was promised to go back may have",
      [{ ...RUNNING, isRestoring: true }],
      [{ ...RUNNING, isRestoring: true }, GONE],
    ],
  ])("knows of a restart of the machine that %s", (_, before, after) => {
    const ledger = withSandboxes(before);
    ledger.reboot();
    expect(ledger.sandboxes.get("0")?.possible).toEqual(after);
  });
});
