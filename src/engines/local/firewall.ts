import { mkdir } from "node:fs/promises";
import { runCommand } from "./command";
import { HOST_ADDRESS, HOST_TABLE, REACH_TABLE, sharedRules } from "./firewall-rules";
import { RUN_ROOT } from "./home";

/**
 * What all sandboxes of a machine share: forwarding, the firewall's rules, and an address of the host that sandboxes know
 * it by. Several servers may run at once, so both scripts hold a lock, and the last one to leave puts out the light.
 */

/** One directory a network slot in use on this machine. */
export const SLOTS_DIR = `${RUN_ROOT}/net`;

const LOCK = `${RUN_ROOT}/net.lock`;
const IPTABLES_RULES = `for rule in '-i oc+' '-o oc+ -m conntrack --ctstate RELATED,ESTABLISHED'; do`;

/** Argument: the host's address. Stdin: the rules. */
const RAISE = `set -e
nft -f -
echo 1 > /proc/sys/net/ipv4/ip_forward
if command -v iptables >/dev/null && iptables -S FORWARD 2>/dev/null | grep -q '^-P FORWARD DROP'; then
  ${IPTABLES_RULES}
    iptables -C FORWARD $rule -j ACCEPT 2>/dev/null || iptables -I FORWARD $rule -j ACCEPT
  done
fi
if [ -z "$(ip -o -4 addr show dev lo to "$1")" ]; then ip addr add "$1/32" dev lo; fi`;

/** Arguments: the host's address, the directory of slots. */
const LOWER = `[ -z "$(ls -A "$2" 2>/dev/null)" ] || exit 0
ip addr del "$1/32" dev lo 2>/dev/null
nft delete table ${HOST_TABLE} 2>/dev/null
nft delete table ${REACH_TABLE} 2>/dev/null
if command -v iptables >/dev/null; then
  ${IPTABLES_RULES}
    iptables -D FORWARD $rule -j ACCEPT 2>/dev/null
  done
fi
exit 0`;

/** Makes the machine forward, judge and translate for sandboxes; mends it where it does already. */
export async function raiseHostNetwork(): Promise<void> {
  await mkdir(SLOTS_DIR, { recursive: true, mode: 0o711 });
  await runCommand("flock", [LOCK, "sh", "-c", RAISE, "sh", HOST_ADDRESS], { input: toScript(sharedRules()) });
}

/** Removes all that, where no sandbox of any server is left. */
export async function lowerHostNetwork(): Promise<void> {
  await runCommand("flock", [LOCK, "sh", "-c", LOWER, "sh", HOST_ADDRESS, SLOTS_DIR]);
}

/** Changes the firewall: all of it or nothing. */
export async function changeFirewall(commands: readonly string[]): Promise<void> {
  await runCommand("nft", ["-f", "-"], { input: toScript(commands) });
}

const toScript = (commands: readonly string[]) => `${commands.join("\n")}\n`;
