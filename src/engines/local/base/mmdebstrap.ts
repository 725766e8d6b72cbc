import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { type AptEntry, toOneLine } from "./apt-entry";
import { DPKG_OPTIONS } from "./finishing";
import { condenseMmdebstrap } from "./mmdebstrap-progress";
import { BASE_PACKAGES } from "./packages";
import { requireTool, runTool, toolEnv } from "./run-tool";

const TIMEOUT_MS = 45 * 60_000;

/** A time that is the same in every build, so that two bases from the same packages are the same base. */
const SOURCE_DATE_EPOCH = "1704067200";

/** However this process or the run ends, the run's processes and mounts end, too: they have namespaces of their own. */
const DIES_WITH_US: readonly string[] = [
  ...["--pdeathsig", "KILL"],
  ...["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"],
];

export interface MmdebstrapRun {
  readonly suite: string;
  readonly entries: readonly AptEntry[];
  /** Made by this run. */
  readonly rootfs: string;
  /** An empty directory for the tools' own temporary files. */
  readonly workDir: string;
  readonly hostEnv: Readonly<Record<string, string | undefined>>;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Installs a release from packages into a directory, with natural owners. The machine's proxies, certificates and
 * download settings of apt are used and not kept: what they leave in the tree, the finishing step removes.
 *
 * @throws requirement_missing without mmdebstrap; unavailable where packages cannot be had; aborted
 */
export async function installRelease(run: MmdebstrapRun): Promise<void> {
  const env = { ...toolEnv(run.hostEnv), TMPDIR: run.workDir, SOURCE_DATE_EPOCH, DEBIAN_FRONTEND: "noninteractive" };
  const purpose = `installing ${run.suite} from packages`;
  requireTool("mmdebstrap", env, purpose);
  mkdirSync(run.workDir, { recursive: true });
  // In a file: a proxy's password has no place on a command line.
  const aptConf = join(run.workDir, "apt.conf");
  writeFileSync(aptConf, await readDownloadOptions(env), { mode: 0o600 });
  await runTool({
    file: "setpriv",
    args: [...DIES_WITH_US, ...mmdebstrapArgs(run, aptConf)],
    env,
    input: run.entries.map((entry) => `${toOneLine(entry, { credentials: true })}\n`).join(""),
    timeoutMs: TIMEOUT_MS,
    signal: run.signal,
    onLine: condenseMmdebstrap(run.onProgress, () => performance.now()),
    purpose,
    failure: "unavailable",
  });
}

function mmdebstrapArgs(run: MmdebstrapRun, aptConf: string): string[] {
  return [
    "mmdebstrap",
    ...["--verbose", "--mode=root", "--variant=minbase", "--format=directory"],
    `--aptopt=${aptConf}`,
    ...DPKG_OPTIONS.map((option) => `--dpkgopt=${option}`),
    `--include=${BASE_PACKAGES.join(",")}`,
    ...[run.suite, run.rootfs, "-"],
  ];
}

/** How this machine's apt downloads (proxies, certificates, tolerance of stale mirrors): mmdebstrap does not look. */
async function readDownloadOptions(env: Readonly<Record<string, string>>): Promise<string> {
  const result = await execa("apt-config", ["dump", "Acquire"], {
    env,
    extendEnv: false,
    reject: false,
    timeout: 10_000,
  });
  if (result.failed) return "";
  const wanted = /^Acquire::(https?::\S|Check-|Max-ValidTime|Retries|Force)/;
  const lines = String(result.stdout).split("\n");
  return lines.map((line) => (wanted.test(line) && !line.endsWith(' "";') ? `${line}\n` : "")).join("");
}
