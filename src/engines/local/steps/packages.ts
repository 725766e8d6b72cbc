import type { StepContext } from "./step-context";

const CLEAN = "rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /var/cache/apt/*.bin";
const APT_ENV = { DEBIAN_FRONTEND: "noninteractive" };
const APT_OPTIONS = [
  ...["-o", "Dpkg::Use-Pty=0"],
  ...["-o", "Acquire::Retries=3"],
  // The whole layer is synced once, at its end.
  ...["-o", "Dpkg::Options::=--force-unsafe-io"],
];
/** Running as root is the point; the cache would only make the layer bigger. */
const PIP_ENV = { PIP_ROOT_USER_ACTION: "ignore", PIP_DISABLE_PIP_VERSION_CHECK: "1", PIP_NO_INPUT: "1" };

/** Installs packages with apt and their recommendations, as `apt-get install -y` does; leaves no package lists behind. */
export async function installAptPackages(context: StepContext, packages: readonly string[]): Promise<void> {
  if (packages.length === 0) return;
  await must(context, "apt-get update", ["apt-get", ...APT_OPTIONS, "update"], APT_ENV);
  await must(context, "apt-get install", ["apt-get", ...APT_OPTIONS, "install", "-y", "--", ...packages], APT_ENV);
  await context.ask(["/bin/sh", "-c", CLEAN]);
}

/** Installs packages with pip into the system's Python. */
export async function installPipPackages(context: StepContext, packages: readonly string[]): Promise<void> {
  if (packages.length === 0) return;
  const argv = ["python3", "-m", "pip", "install", "--no-cache-dir", "--", ...packages] as const;
  await must(context, "pip install", argv, PIP_ENV);
}

async function must(
  context: StepContext,
  what: string,
  argv: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const exitCode = await context.run({ argv, env: { ...context.env, ...env } });
  if (exitCode !== 0) throw context.fail(what, exitCode);
}
