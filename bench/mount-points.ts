import { readFile } from "node:fs/promises";
import { command } from "./command";

/** Takes away everything that is mounted below a folder, so that it can be removed; nothing there is fine. */
export async function unmountBelow(dir: string): Promise<void> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  const targets = lines.flatMap((line) => line.split(" ")[4] ?? []).filter((target) => target.startsWith(dir));
  for (const target of targets.reverse()) await command("umount", ["--lazy", target]).catch(() => undefined);
}
