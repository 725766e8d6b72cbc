/** The user that commands run as inside, and its group: same name, same number. */
export const SANDBOX_USER = "sandbox";
export const SANDBOX_ID = 1000;
export const SANDBOX_HOME = "/home/sandbox";

/** The text of the four files in which a system keeps its users. */
export interface Accounts {
  readonly passwd: string;
  readonly group: string;
  readonly shadow: string;
  readonly gshadow: string;
}

/**
 * The accounts with the user `sandbox` (1000:1000), who has no password and needs none. Another user or group of that
 * number or name makes way; all others stay as they are. Root is there afterwards, too.
 */
export function withSandboxUser(accounts: Accounts, shell: string): Accounts {
  const id = String(SANDBOX_ID);
  const displaced = lines(accounts.passwd)
    .filter((line) => line.split(":")[2] === id)
    .map(nameOf);
  const gone = new Set([...displaced, SANDBOX_USER]);
  const others = (text: string) => lines(text).filter((line) => !gone.has(nameOf(line)));
  const groups = others(accounts.group).filter((line) => line.split(":")[2] !== id);
  return {
    passwd: toText([
      ...withRoot(others(accounts.passwd), `root:x:0:0:root:/root:${shell}`),
      `${SANDBOX_USER}:x:${id}:${id}::${SANDBOX_HOME}:${shell}`,
    ]),
    group: toText([...withRoot(groups, "root:x:0:"), `${SANDBOX_USER}:x:${id}:`]),
    // A fixed day of the last change: one that is missing or zero would ask for a new password.
    shadow: toText([
      ...withRoot(others(accounts.shadow), "root:*:19723:0:99999:7:::"),
      `${SANDBOX_USER}:*:19723:0:99999:7:::`,
    ]),
    gshadow: toText([...withRoot(others(accounts.gshadow), "root:*::"), `${SANDBOX_USER}:!::`]),
  };
}

function withRoot(existing: readonly string[], root: string): readonly string[] {
  return existing.some((line) => nameOf(line) === "root") ? existing : [root, ...existing];
}

function nameOf(line: string): string {
  return line.split(":")[0] ?? "";
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

function toText(all: readonly string[]): string {
  return `${all.join("\n")}\n`;
}
