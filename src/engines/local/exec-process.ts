import type { ExecSpec } from "../engine";
import { DEFAULT_PATH, ociProcess, UID_SHIFT } from "./oci-spec";

/**
 * Runs inside, as leader of the command's process group. Arguments: working directory, then the command, whose output
 * goes to descriptors 4 and 5. It tells on descriptor 3 that the command starts, and how it ended: so we know the moment
 * it ends, also where something that it left running keeps its output open. The traps keep it alive to tell; a subshell
 * does not inherit them. `exec`, because a bare "$@" could name a shell builtin.
 */
const LAUNCH = `cd -P -- "$1" 2>/dev/null || { echo nodir >&3; exit 125; }
case "$PWD/" in /proc/*|/sys/*) echo nodir >&3; exit 125;; esac
shift
unset OLDPWD
trap : HUP INT QUIT TERM USR1 USR2
echo "ok $$" >&3
(exec "$@" >&4 2>&5 3>&- 4>&- 5>&-)
status=$?
echo "exit $status" >&3
exit "$status"`;

const USERS = {
  root: { uid: 0, gid: 0, home: "/root" },
  sandbox: { uid: 1000, gid: 1000, home: "/home/sandbox" },
} as const;

/** Who a user is on the host. */
export function hostUser(user: ExecSpec["user"]): { uid: number; gid: number } {
  return { uid: UID_SHIFT + USERS[user].uid, gid: UID_SHIFT + USERS[user].gid };
}

/** Where a command runs that says no directory. */
export function homeOf(user: ExecSpec["user"]): string {
  return USERS[user].home;
}

/** The OCI description of a command's process. Later environments win: defaults, then the host's facts, then the spec's. */
export function execProcess(
  spec: Pick<ExecSpec, "argv" | "env" | "cwd" | "user">,
  facts: Readonly<Record<string, string>>,
  openFiles: number,
): object {
  const { uid, gid, home } = USERS[spec.user];
  const login = { HOME: home, USER: spec.user, LOGNAME: spec.user };
  const env = { PATH: DEFAULT_PATH, LANG: "C.UTF-8", ...login, ...facts, ...spec.env };
  return ociProcess({
    args: ["/bin/sh", "-c", LAUNCH, "sh", spec.cwd ?? home, ...spec.argv],
    env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    user: { uid, gid },
    openFiles,
  });
}
