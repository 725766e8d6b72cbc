import type { ErrorCode } from "../../errors";

/** The shell scripts behind the file operations. Each takes a path as its first argument and runs as root inside. */

/** What the scripts' exit codes mean; the path stands before the message. */
export const SCRIPT_ERRORS: Readonly<Record<number, { code: ErrorCode; message: string }>> = {
  40: { code: "not_found", message: "does not exist in the sandbox" },
  41: { code: "invalid_input", message: "is a directory" },
  42: { code: "invalid_input", message: "is not a regular file" },
  43: { code: "invalid_input", message: "is not a directory" },
  44: { code: "aborted", message: "was not written: its content broke off" },
};

/** Prints one byte once the file is found, then its bytes. */
export const READ = `[ -d "$1" ] && exit 41
[ -e "$1" ] || exit 40
[ -f "$1" ] || exit 42
exec 4< "$1" || exit 1
printf +
exec cat <&4`;

/** Makes a directory and its missing parents for the owner of the nearest parent that exists; sets `owner`. */
export const MAKE_PARENTS = `make_parents() {
  there=$1
  while [ ! -d "$there" ]; do there=$(dirname -- "$there"); done
  owner=$(stat -L -c %u:%g -- "$there")
  make_missing "$1"
}
make_missing() {
  [ -d "$1" ] && return
  make_missing "$(dirname -- "$1")" && mkdir -m 755 -- "$1" && chown "$owner" -- "$1"
}
`;

/**
 * Second argument: the seal at the end of what comes. Few programs on the usual way, because each costs a fork; the "x"
 * keeps line ends at the end of a name.
 */
export const WRITE = `${MAKE_PARENTS}
target=$1
if [ -L "$1" ]; then
  target=$(readlink -m -- "$1"; echo x)
  target=\${target%??}
fi
[ -d "$target" ] && exit 41
[ ! -e "$target" ] || [ -f "$target" ] || exit 42
dir=\${target%/*}/
[ -d "$dir" ] || make_parents "\${dir%/}" || exit 43
temp=$dir.opencomputer.$2
trap 'rm -f -- "$temp"' EXIT
if [ -e "$target" ]; then umask 077; else umask 022; fi
cat > "$temp" || exit 1
[ "$(tail -c \${#2} -- "$temp")" = "$2" ] || exit 44
truncate -s -\${#2} -- "$temp" || exit 1
if [ -e "$target" ]; then
  chown --reference="$target" -- "$temp" && chmod --reference="$target" -- "$temp" || exit 1
else
  chown --reference="$dir" -- "$temp" || exit 1
fi
mv -fT -- "$temp" "$target" && trap - EXIT`;

/** Prints `<type> <size> <name>` and a NUL for each entry; links count as what they point to. */
export const LIST = `[ -e "$1" ] || exit 40
[ -d "$1" ] || exit 43
cd -- "$1" && exec find . -mindepth 1 -maxdepth 1 -printf '%Y %s %f\\0'`;

export const MAKE_DIR = `${MAKE_PARENTS}
make_parents "$1"`;

export const REMOVE = `exec rm -rf -- "$1"`;
