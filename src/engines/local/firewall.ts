import { mkdir } from "node:fs/promises";
import { runCommand } from "./command";
import { RUN_ROOT } from "./home";

/**
 * What all sandboxes of a machine share: forwarding, one nftables table, and an address of the host that every sandbox
 * reaches. Several servers may run at once, so both scripts hold a lock, and the last one to leave puts out the light.
 */

/** Address of the host as sandboxes see it. */
export const HOST_ADDRESS = "10.213.0.1";
/** Every sandbox address is in here. */
export const SANDBOX_RANGE = "10.213.0.0/16";
/** One directory a network slot in use on this machine. */
export const SLOTS_DIR = `${RUN_ROOT}/net`;
/** Where sandboxes that reach certain destinations only have their rules; see network-reach.ts. */
export const REACH_TABLE = "inet opencomputer_reach";
/** Prefix of the host ends of the sandboxes' interfaces. */
export const LINK_PREFIX = "oc";

const LOCK = `${RUN_ROOT}/net.lock`;
const RULES = `table inet opencomputer
delete table inet opencomputer
table inet opencomputer {
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname "${LINK_PREFIX}*" meta nfproto ipv6 drop
    iifname "${LINK_PREFIX}*" ip saddr != ${SANDBOX_RANGE} drop
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "${LINK_PREFIX}*" oifname "${LINK_PREFIX}*" drop
  }
  chain outgoing {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${SANDBOX_RANGE} oifname != "${LINK_PREFIX}*" masquerade
  }
}
`;

const IPTABLES_RULES = `for rule in '-i oc+' '-o oc+ -m conntrack --ctstate RELATED,ESTABLISHED'; do`;

/** Argument: the host's address. Stdin: the rules. The address comes last: where it is, the rest is. */
const RAISE = `set -e
if [ -n "$(ip -o -4 addr show dev lo to "$1")" ]; then exit 0; fi
echo 1 > /proc/sys/net/ipv4/ip_forward
nft -f -
if command -v iptables >/dev/null && iptables -S FORWARD 2>/dev/null | grep -q '^-P FORWARD DROP'; then
  ${IPTABLES_RULES}
    iptables -C FORWARD $rule -j ACCEPT 2>/dev/null || iptables -I FORWARD $rule -j ACCEPT
  done
fi
ip addr add "$1/32" dev lo`;

/** Arguments: the host's address, the directory of slots. */
const LOWER = `[ -z "$(ls -A "$2" 2>/dev/null)" ] || exit 0
ip addr del "$1/32" dev lo 2>/dev/null
nft delete table inet opencomputer 2>/dev/null
nft delete table ${REACH_TABLE} 2>/dev/null
if command -v iptables >/dev/null; then
  ${IPTABLES_RULES}
    iptables -D FORWARD $rule -j ACCEPT 2>/dev/null
  done
fi
exit 0`;

/** Makes the machine forward and translate for sandboxes; does nothing where it does already. */
export async function raiseHostNetwork(): Promise<void> {
  await mkdir(SLOTS_DIR, { recursive: true, mode: 0o711 });
  await runCommand("flock", [LOCK, "sh", "-c", RAISE, "sh", HOST_ADDRESS], { input: RULES });
}

/** Removes all that, where no sandbox of any server is left. */
export async function lowerHostNetwork(): Promise<void> {
  await runCommand("flock", [LOCK, "sh", "-c", LOWER, "sh", HOST_ADDRESS, SLOTS_DIR]);
}
