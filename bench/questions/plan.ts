import { mkdir, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { commandFile, packageRoot } from "../../src/client/package-root";
import { cacheHome } from "../../src/paths";
import type { BenchRun } from "../bench-run";
import type { Benchmark } from "../benchmark";
import { command } from "../command";
import { compare, timed } from "../comparison";

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

const TIMEOUT_MS = 600_000;

/** What a true plan costs: with the real CLI on a file backend. */
export const plan: Benchmark = {
  name: "plan",
  question: "`pulumi preview` of unchanged snapshots, beside as many resources that do nothing",
  rounds: { full: 5, quick: 1 },
  rivals: [],
  targets: [],
  run: async (run) => {
    const count = run.isQuick ? 10 : 200;
    const home = join(run.dir, "home");
    const env = { ...process.env, OPENCOMPUTER_HOME: home };
    run.defer(() => command(process.execPath, [commandFile(), "stop", "--all"], { env }));
    const empty = await createProject(run, "empty", EMPTY(count));
    const snapshots = await createProject(run, "snapshots", SNAPSHOTS(count));
    const sides = [
      { name: `${count} empty dynamic resources`, measure: () => timed(empty.preview) },
      { name: `${count} unchanged snapshots`, measure: () => timed(snapshots.preview) },
    ];
    const { rounds, signal, onRound } = run;
    const { figures, absences } = await compare(sides, { rounds, signal, onRound });
    const perResource = (bytes: number) => Math.round(bytes / count);
    const quantities = [
      { name: "exported state of a snapshot", value: perResource(await snapshots.stateBytes()), unit: "bytes" },
      {
        name: "the same beyond its steps",
        value: perResource(await snapshots.stateBytes(STEP_PROPERTIES)),
        unit: "bytes",
      },
      { name: "exported state of an empty resource", value: perResource(await empty.stateBytes()), unit: "bytes" },
    ];
    return { figures, absences, quantities };
  },
};

/** A project whose stack is up, so that every preview finds it unchanged. */
async function createProject(run: BenchRun, name: string, program: string) {
  const cwd = join(run.dir, name);
  await mkdir(join(cwd, "backend"), { recursive: true });
  await symlink(join(packageRoot(), "node_modules"), join(cwd, "node_modules"));
  await writeFile(join(cwd, "Pulumi.yaml"), `name: ${name}\nruntime: nodejs\n`);
  await writeFile(join(cwd, "package.json"), `{ "name": "${name}", "main": "index.js" }\n`);
  await writeFile(join(cwd, "index.js"), program);
  const bin = join(cacheHome({ env: process.env, uid: process.geteuid?.() ?? -1, homeDir: homedir() }), "bin");
  const env = {
    ...process.env,
    PATH: [bin, process.env["PATH"]].join(delimiter),
    PULUMI_HOME: join(run.dir, "pulumi"),
    PULUMI_BACKEND_URL: `file://${join(cwd, "backend")}`,
    PULUMI_CONFIG_PASSPHRASE: "bench",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    OPENCOMPUTER_HOME: join(run.dir, "home"),
  };
  const pulumi = (...args: string[]) =>
    command("pulumi", [...args, "--non-interactive"], { cwd, env, signal: run.signal, timeoutMs: TIMEOUT_MS });
  await pulumi("stack", "init", "dev");
  await pulumi("up", "--yes", "--skip-preview", "--stack", "dev");
  return {
    preview: () => pulumi("preview", "--stack", "dev", "--expect-no-changes"),
    /** As exported (indented by four), without the properties that are named. */
    stateBytes: async (without: readonly string[] = []) => {
      const state: unknown = JSON.parse(await pulumi("stack", "export", "--stack", "dev"));
      return JSON.stringify(state, (key, value: unknown) => (without.includes(key) ? undefined : value), 4).length;
    },
  };
}
