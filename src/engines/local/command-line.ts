import type { ExecSpec } from "../engine";
import type { AgentCommandLine } from "./agent-frames";
import { DEFAULT_PATH } from "./oci-spec";

const USERS = {
  root: { uid: 0, gid: 0, home: "/root" },
  sandbox: { uid: 1000, gid: 1000, home: "/home/sandbox" },
} as const;

/** Where a command runs that says no directory. */
export function homeOf(user: ExecSpec["user"]): string {
  return USERS[user].home;
}

/** A command as its agent starts it. Later environments win: defaults, then the host's facts, then the spec's. */
export function commandLine(
  { argv, env, cwd, user }: Pick<ExecSpec, "argv" | "env" | "cwd" | "user">,
  facts: Readonly<Record<string, string>>,
): Omit<AgentCommandLine, "hasInput"> {
  const { uid, gid, home } = USERS[user];
  const login = { HOME: home, USER: user, LOGNAME: user };
  const all = { PATH: DEFAULT_PATH, LANG: "C.UTF-8", ...login, ...facts, ...env };
  return { argv, env: Object.entries(all).map(([name, value]) => `${name}=${value}`), cwd: cwd ?? home, uid, gid };
}
