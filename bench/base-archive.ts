import { open } from "node:fs/promises";
import { join } from "node:path";
import type { BareRuntime } from "./bare-runtime";
import type { BenchRun } from "./bench-run";

/**
 * The base as an archive with the owners that it has inside, for builders that know nothing of our layers. Packed by a
 * container, because outside every owner is shifted.
 */
export async function packBase(run: BenchRun, runc: BareRuntime): Promise<string> {
  run.say("packing the base for the other side");
  const file = join(run.dir, "base.tar");
  const archive = await open(file, "w");
  // A file that got another link while it was read is no failure: homes share the base's files.
  const pack = "tar --one-file-system --numeric-owner -C / -cf - .; test $? -le 1";
  await runc.run(["sh", "-c", pack], { stdout: archive.fd, timeoutMs: 600_000 }).finally(() => archive.close());
  return file;
}
