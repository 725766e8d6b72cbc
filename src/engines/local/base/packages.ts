/**
 * What a base that is installed from packages contains, on top of the distribution's smallest variant: what agents and
 * their images reach for without asking. Installed without recommended packages, manuals and translations.
 */
export const BASE_PACKAGES: readonly string[] = [
  ...["apt"],
  ...["python3", "python3-pip", "python3-venv", "python3-dev", "python-is-python3"],
  ...["nodejs", "npm"],
  ...["build-essential", "cmake", "pkg-config"],
  ...["git", "git-lfs", "openssh-client", "rsync"],
  ...["curl", "wget", "ca-certificates", "openssl", "gnupg"],
  ...["iproute2", "iputils-ping", "dnsutils", "netcat-openbsd"],
  ...["jq", "sqlite3", "unzip", "zip", "bzip2", "xz-utils", "zstd"],
  ...["less", "nano", "vim-tiny", "file", "tree"],
  ...["sudo", "procps", "psmisc", "htop", "lsof", "strace"],
];
