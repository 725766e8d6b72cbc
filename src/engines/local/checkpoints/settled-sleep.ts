import { join } from "node:path";
import { failpoint } from "../../../failpoint";
import { endContainer } from "../container";
import { diskUsage, syncFileSystem } from "../durable";
import type { SandboxDeps } from "./sandbox-deps";
import { type SandboxRecord, type Sleep, writeSandbox } from "./sandbox-record";

/** Its sleep once all of it is on disk: where that failed before, it is done now. */
export async function settled(
  deps: SandboxDeps,
  dir: string,
  record: SandboxRecord & { readonly sleep: Sleep },
): Promise<Sleep> {
  return record.sleep.settled ? record.sleep : settle(deps, dir, record);
}

/** Ends what is left of its container; whatever takes longer with more files happens here and not at a checkpoint. */
export async function settle(
  deps: SandboxDeps,
  dir: string,
  record: SandboxRecord & { readonly sleep: Sleep },
): Promise<Sleep> {
  await endContainer(deps, dir);
  await syncFileSystem(dir);
  const sleep: Sleep = { ...record.sleep, settled: true, filesBytes: await diskUsage(join(dir, "fs")) };
  await writeSandbox(dir, { ...record, sleep });
  failpoint("sleep.settled");
  return sleep;
}
