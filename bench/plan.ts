/**
 * What a true plan costs: `pulumi preview` of unchanged snapshots beside that of as many empty dynamic resources, with
 * the real CLI on a file backend. Takes the number of resources (default 200) and of rounds (default 5).
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cacheHome } from "../src/paths";
import { compare, report } from "./comparison";

const SNAPSHOTS = (count: number) => `
const { Image, Snapshot } = require("pulumi-opencomputer");
const image = Image.base().env({ STAGE: "bench" }).workdir("/workspace").addFile("/workspace/a.txt", "a");
for (let index = 0; index < ${count}; index++) new Snapshot("s" + index, { image });
`;

const EMPTY = (count: number) => `
const { dynamic } = require("@pulumi/pulumi");
const provider = { async check(olds, inputs) { return { inputs, failures: [] }; },
  async diff() { return { changes: false }; }, async create(inputs) { return { id: "x", outs: inputs }; } };
class Empty extends dynamic.Resource { constructor(name) { super(provider, name, { value: name }); } }
for (let index = 0; index < ${count}; index++) new Empty("s" + index);
`;

/** What grows with the image: its steps, its files, and the manifest that says both. */
const STEP_PROPERTIES = ["steps", "files", "__source"];

async function main(count: number, rounds: number): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "oc-bench-"));
  const home = join(dir, "home");
  try {
    const empty = createProject(dir, "empty", EMPTY(count));
    const snapshots = createProject(dir, "snapshots", SNAPSHOTS(count));
    const figures = await compare(
      [
        { name: `preview of ${count} empty dynamic resources`, measure: async () => empty.preview() },
        { name: `preview of ${count} unchanged snapshots`, measure: async () => snapshots.preview() },
      ],
      rounds,
    );
    report("plan", figures, {
      resources: String(count),
      "exported state of a snapshot": `${Math.round(snapshots.stateBytes() / count)} bytes`,
      "the same beyond its steps": `${Math.round(snapshots.stateBytes(STEP_PROPERTIES) / count)} bytes`,
      "exported state of an empty resource": `${Math.round(empty.stateBytes() / count)} bytes`,
    });
  } finally {
    const stop = [resolve(__dirname, "..", "src", "cli", "main.js"), "stop", "--all"];
    execFileSync(process.execPath, stop, { env: { ...process.env, OPENCOMPUTER_HOME: home }, stdio: "ignore" });
    rmSync(dir, { recursive: true, force: true });
  }
}

/** A project whose stack is up, so that every preview finds it unchanged. */
function createProject(dir: string, name: string, program: string) {
  const cwd = join(dir, name);
  mkdirSync(join(cwd, "backend"), { recursive: true });
  symlinkSync(resolve(__dirname, "..", "..", "node_modules"), join(cwd, "node_modules"));
  writeFileSync(join(cwd, "Pulumi.yaml"), `name: ${name}\nruntime: nodejs\n`);
  writeFileSync(join(cwd, "package.json"), `{ "name": "${name}", "main": "index.js" }\n`);
  writeFileSync(join(cwd, "index.js"), program);
  const bin = join(cacheHome({ env: process.env, uid: process.geteuid?.() ?? -1, homeDir: homedir() }), "bin");
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env["PATH"]}`,
    PULUMI_HOME: join(dir, "pulumi"),
    PULUMI_BACKEND_URL: `file://${join(cwd, "backend")}`,
    PULUMI_CONFIG_PASSPHRASE: "bench",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    OPENCOMPUTER_HOME: join(dir, "home"),
  };
  const pulumi = (...args: string[]) =>
    execFileSync("pulumi", [...args, "--non-interactive"], { cwd, env, maxBuffer: 1 << 28 });
  pulumi("stack", "init", "dev");
  pulumi("up", "--yes", "--skip-preview", "--stack", "dev");
  return {
    preview: () => {
      const start = performance.now();
      pulumi("preview", "--stack", "dev", "--expect-no-changes");
      return performance.now() - start;
    },
    /** As exported (indented by four), without the properties that are named. */
    stateBytes: (without: readonly string[] = []) => {
      const state: unknown = JSON.parse(pulumi("stack", "export", "--stack", "dev").toString());
      return JSON.stringify(state, (key, value: unknown) => (without.includes(key) ? undefined : value), 4).length;
    },
  };
}

const [count = "200", rounds = "5"] = process.argv.slice(2);
main(Number(count), Number(rounds)).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
