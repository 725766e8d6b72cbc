import { join } from "node:path";
import type { BenchRun } from "./bench-run";
import { ask, type CommandOptions, command } from "./command";
import { NotHere } from "./comparison";
import { startDaemon } from "./daemon";
import { unmountBelow } from "./mount-points";

/** Docker as it comes, with the base as a local image. */
export interface Docker {
  readonly version: string;
  /** Name of the base's image. */
  readonly image: string;
  /** `docker ARGS`. */
  call(args: readonly string[], options?: CommandOptions): Promise<string>;
}

/** What Docker is asked to give a container, as a sandbox has it. */
export const DOCKER_LIMITS = ["--memory", "4096m", "--pids-limit", "512", "--cpus", "1"] as const;

const IMAGE = "oc-bench-base";

/**
 * A daemon that answers already, else one of the run's own, without a bridge: its containers have no network, which is
 * less work than ours do.
 *
 * @throws NotHere where Docker is not on this machine
 */
export async function useDocker(run: BenchRun, packBase: () => Promise<string>): Promise<Docker> {
  const host = (await answers([])) ? [] : await startDocker(run);
  const call: Docker["call"] = (args, options) =>
    command("docker", [...host, ...args], { signal: run.signal, ...options });
  const version = (await call(["version", "--format", "{{.Server.Version}}"])).trim();
  run.say("importing the base into Docker");
  await call(["import", await packBase(), IMAGE], { timeoutMs: 600_000 });
  run.defer(() => command("docker", [...host, "image", "rm", "--force", IMAGE], { timeoutMs: 120_000 }));
  return { version, image: IMAGE, call };
}

async function startDocker(run: BenchRun): Promise<readonly string[]> {
  if ((await ask("dockerd", ["--version"])) === undefined) {
    throw new NotHere("no Docker daemon answers, and the program dockerd is not on this machine");
  }
  const at = (name: string) => join(run.dir, "docker", name);
  const socket = `unix://${at("socket")}`;
  const places = ["--data-root", at("data"), "--exec-root", at("exec"), "--pidfile", at("pid"), "--host", socket];
  // Its own containers are stopped by it; what is left mounted would keep the folder from being removed.
  run.defer(() => unmountBelow(at("")));
  await startDaemon(run, "dockerd", {
    args: [...places, "--bridge", "none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"],
    isReady: () => answers(["--host", socket]),
  });
  return ["--host", socket];
}

async function answers(host: readonly string[]): Promise<boolean> {
  return Boolean(await ask("docker", [...host, "version", "--format", "{{.Server.Version}}"], { timeoutMs: 10_000 }));
}
