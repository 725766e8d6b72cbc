/**
 * Time to interactive: from `create` on a ready snapshot until its first command has answered, over HTTP with the SDK's
 * client, beside a bare `runc run` of the same root file system. Takes the number of rounds, default 20.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "../src/client/client";
import { UID_RANGE, UID_SHIFT } from "../src/engines/local/oci-spec";
import { Image } from "../src/image/image";
import { readServerConfig, startServer } from "../src/server";
import { compare, report, type Side } from "./comparison";

async function main(rounds: number): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "oc-bench-"));
  const home = join(dir, "home");
  const machine = { env: process.env, uid: process.geteuid?.() ?? -1, homeDir: homedir() };
  const server = await startServer(readServerConfig({ home, logLevel: "warn" }, machine));
  const api = createClient({ apiUrl: server.url, apiKey: server.apiKey });
  try {
    const image = Image.base().resolve();
    await api.createSnapshot({ name: "bench", image });
    const bare = prepareBareRunc(dir, join(home, "layers"));
    try {
      const created: Side = {
        name: "create from snapshot + exec true",
        measure: async () => {
          const start = performance.now();
          const sandbox = await api.createSandbox({ snapshot: "bench" });
          await api.exec(sandbox.sandboxID, { cmd: "true" });
          const ms = performance.now() - start;
          await api.killSandbox(sandbox.sandboxID);
          return ms;
        },
      };
      const figures = await compare([{ name: "bare runc run true", measure: bare.run }, created], rounds);
      const { runtime, base } = await api.info();
      report("tti", figures, { runtime, base, rounds: String(rounds) });
    } finally {
      bare.close();
    }
  } finally {
    await server.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** A bundle over the base layer, with user namespace and limits like ours, that runs `true`. */
function prepareBareRunc(dir: string, layers: string): { run: () => Promise<number>; close: () => void } {
  const bundle = join(dir, "bare");
  const merged = join(bundle, "rootfs");
  for (const name of ["rootfs", "upper", "work"]) mkdirSync(join(bundle, name), { recursive: true });
  execFileSync("chown", [`${UID_SHIFT}:${UID_SHIFT}`, join(bundle, "upper")]);
  execFileSync("chmod", ["711", dir]);
  const lower = join(layers, String(readdirSync(layers)[0]), "fs");
  const options = `lowerdir=${lower},upperdir=${join(bundle, "upper")},workdir=${join(bundle, "work")}`;
  execFileSync("mount", ["-t", "overlay", "overlay", "-o", options, merged]);
  execFileSync("runc", ["spec", "--bundle", bundle]);
  const config = join(bundle, "config.json");
  writeFileSync(config, JSON.stringify(toBareSpec(JSON.parse(readFileSync(config, "utf8")) as OciSpec)));
  const root = join(dir, "runc");
  return {
    run: async () => {
      const start = performance.now();
      const result = spawnSync("runc", ["--root", root, "run", "--bundle", bundle, "oc-bench-bare"], {
        encoding: "utf8",
      });
      if (result.status !== 0) throw new Error(`runc run failed: ${result.stderr}`);
      return performance.now() - start;
    },
    close: () => execFileSync("umount", [merged]),
  };
}

interface OciSpec {
  process: { terminal: boolean; args: string[] };
  root: { readonly: boolean };
  mounts: { destination: string; type: string; source: string; options: string[] }[];
  linux: { namespaces: { type: string }[]; resources: object; [key: string]: unknown };
}

function toBareSpec(spec: OciSpec): OciSpec {
  const map = [{ containerID: 0, hostID: UID_SHIFT, size: UID_RANGE }];
  const memory = { limit: 4096 * 1024 * 1024 };
  const resources = { ...spec.linux.resources, memory, pids: { limit: 512 }, cpu: { quota: 100_000, period: 100_000 } };
  return {
    ...spec,
    process: { ...spec.process, terminal: false, args: ["true"] },
    root: { ...spec.root, readonly: false },
    linux: {
      ...spec.linux,
      namespaces: [...spec.linux.namespaces, { type: "user" }],
      uidMappings: map,
      gidMappings: map,
      resources,
    },
  };
}

main(Number(process.argv[2] ?? 20)).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
