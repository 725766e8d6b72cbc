/**
 * What hostile programs do about networks, in Python.
 */

/** As root inside: takes other addresses, routes and links, and raw sockets, as far as it may. Prints how much was tried. */
export const CHANGES = `
import ctypes, fcntl, socket, struct
def ioctl(number, data):
  with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock: fcntl.ioctl(sock, number, data)
def sockaddr(address): return struct.pack("<H2s4s8x", socket.AF_INET, b"", socket.inet_aton(address))
def netlink(kind, body):
  with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
    sock.settimeout(2)
    sock.bind((0, 0))
    sock.send(struct.pack("=IHHII", 16 + len(body), kind, 0x605, 1, 0) + body)
    error = struct.unpack_from("=i", sock.recv(4096), 16)[0]
    if error: raise OSError(-error, "netlink")
def attribute(kind, value): return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
def option(level, name, value):
  with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock: sock.setsockopt(level, name, value)
def unshare(flags):
  if ctypes.CDLL(None, use_errno=True).unshare(flags): raise OSError(ctypes.get_errno(), "unshare")
def write(path, text):
  with open(path, "w") as file: file.write(text)
other = socket.inet_aton("10.213.0.1")
attacks = {
  "a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x300).close(),
  "a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW).close(),
  "a raw ICMP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close(),
  "a transparent socket": lambda: option(socket.SOL_IP, 19, 1),
  "another address": lambda: ioctl(0x8916, struct.pack("16s16s8x", b"eth0", sockaddr("10.213.0.1"))),
  "another route": lambda: ioctl(0x890B, struct.pack("8x16s16s16sH70x", sockaddr("0.0.0.0"), sockaddr("10.213.0.1"), sockaddr("0.0.0.0"), 3)),
  "an address by netlink": lambda: netlink(20, struct.pack("=BBBBi", 2, 16, 0, 0, 2) + attribute(2, other) + attribute(1, other)),
  "a route by netlink": lambda: netlink(24, struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0) + attribute(5, other)),
  "a link by netlink": lambda: netlink(16, struct.pack("=BxHiII", 0, 0, 0, 0, 0) + attribute(3, b"more\\0") + attribute(18, attribute(1, b"dummy\\0"))),
  "another hardware address": lambda: ioctl(0x8924, struct.pack("16sH14s8x", b"eth0", 1, b"\\2\\0\\0\\0\\0\\1")),
  "forwarding": lambda: write("/proc/sys/net/ipv4/ip_forward", "1"),
  "the network of the host": lambda: ctypes.CDLL(None).setns(open("/proc/1/ns/net").fileno(), 0) and unshare(0x40000000),
}
for attack in attacks.values():
  try: attack()
  except OSError: pass
print(len(attacks))`;

/** How a forged frame looks; what is not said is as the sandbox itself would send it. */
export interface Forgery {
  readonly token: string;
  readonly source: string;
  readonly target: string;
  readonly port: number;
  /** `fragments` in two pieces, `vlan` with a tag, `ipip` inside another packet to the host, `routed` by way of the target. */
  readonly as: "udp" | "fragments" | "vlan" | "ipip" | "routed" | "udp6";
}

/**
 * With the sandbox's network in its hands, as whoever broke out of the runtime had: sends frames of any form. Arguments:
 * the hardware address of the other end, a JSON list of {@link Forgery}.
 */
export const FORGE = `
import json, socket, struct, sys
def checksum(data):
  data += bytes(len(data) % 2)
  total = sum(struct.unpack(f"!{len(data) // 2}H", data))
  while total >> 16: total = (total & 65535) + (total >> 16)
  return ~total & 65535
def packet(one, protocol, body, options=b"", flags=0):
  words = (0x45 + len(options) // 4, 0, 20 + len(options) + len(body), 7, flags, 64, protocol, 0)
  head = struct.pack("!BBHHHBBH", *words) + socket.inet_aton(one["source"]) + socket.inet_aton(one["target"]) + options
  return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body
def udp(one, size=0):
  body = one["token"].encode().ljust(size, b".")
  return struct.pack("!HHHH", 4000, one["port"], 8 + len(body), 0) + body
def udp6(one):
  ends = socket.inet_pton(socket.AF_INET6, one["source"]) + socket.inet_pton(socket.AF_INET6, one["target"])
  text = udp(one)
  text = text[:6] + struct.pack("!H", checksum(ends + struct.pack("!II", len(text), 17) + text)) + text[8:]
  return struct.pack("!IHBB", 6 << 28, len(text), 17, 64) + ends + text
def frames(one):
  if one["as"] == "udp6": return [(0x86DD, udp6(one))]
  if one["as"] == "vlan": return [(0x8100, struct.pack("!HH", 5, 0x0800) + packet(one, 17, udp(one)))]
  if one["as"] == "ipip": return [(0x0800, packet({**one, "target": "10.213.0.1"}, 4, packet(one, 17, udp(one))))]
  if one["as"] == "routed": return [(0x0800, packet({**one, "target": "10.213.0.1"}, 17, udp(one), b"\\x83\\x07\\x04" + socket.inet_aton(one["target"]) + b"\\0"))]
  if one["as"] == "udp": return [(0x0800, packet(one, 17, udp(one)))]
  whole = udp(one, 40)
  return [(0x0800, packet(one, 17, whole[:24], flags=0x2000)), (0x0800, packet(one, 17, whole[24:], flags=3))]
there = bytes.fromhex(sys.argv[1].replace(":", ""))
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
  sock.bind(("eth0", 0))
  own = sock.getsockname()[4]
  sent = 0
  for one in json.loads(sys.argv[2]):
    for kind, body in frames(one):
      sent += 1
      sock.send(there + own + struct.pack("!H", kind) + body)
print(json.dumps(sent))`;

/** In a sandbox: keeps what comes to UDP port 5300 in /tmp/heard. */
export const LISTEN = `
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, open("/tmp/heard", "a") as heard:
  sock.bind(("", 5300))
  while True:
    heard.write(sock.recv(2000).decode("latin1") + "\\n")
    heard.flush()`;
