import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Makes the smallest tree that passes for a root filesystem, with everything in it that must not survive or must be
 * handled with care. Its programs are empty: nothing here runs them. Needs root.
 */
export function makeTinyTree(root: string): void {
  const write = (path: string, content: string, mode = 0o644) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
    chmodSync(join(root, path), mode);
  };
  for (const program of ["sh", "bash", "cat", "env", "mkdir", "find", "tar", "dpkg"])
    write(`usr/bin/${program}`, "", 0o755);
  symlinkSync("usr/bin", join(root, "bin"));
  write("usr/bin/sudo", "set-user-id", 0o4755);
  linkSync(join(root, "usr/bin/sudo"), join(root, "usr/bin/sudo-too"));
  write("etc/os-release", 'NAME="Tiny"\nVERSION_ID="1"\n');
  write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nubuntu:x:1000:1000::/home/ubuntu:/bin/sh\n");
  write("etc/skel/.profile", "# profile\n");
  symlinkSync("/etc/hostname", join(root, "etc/resolv.conf"));
  symlinkSync("/etc", join(root, "outside"));
  write("etc/machine-id", "0123456789abcdef\n");
  write("etc/apt/apt.conf.d/99mmdebstrap", 'Acquire::http::Proxy "http://user:secret@proxy.example";\n');
  write("usr/lib/python3.11/EXTERNALLY-MANAGED", "[externally-managed]\n");
  write("var/lib/apt/lists/mirror_Packages", "lists");
  write("run/lock/file", "");
  write("home/ubuntu/file", "mine");
  chownSync(join(root, "home/ubuntu/file"), 1000, 1000);
  mkdirSync(join(root, "dev"));
  execFileSync("mknod", [join(root, "dev/null"), "c", "1", "3"]);
  execFileSync("mknod", [join(root, "usr/lib/whiteout"), "c", "0", "0"]);
  execFileSync("mkfifo", [join(root, "usr/lib/fifo")]);
}
