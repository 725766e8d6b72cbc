import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/**
 * Programs of users compile against dist/ with a plain `tsc`: no skipLibCheck, so every declaration file that a door
 * leads to is checked with the user's settings, too.
 */

const ROOT = resolve(__dirname, "../..");
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");
/** What a user has installed: this package, and what its doors name in their types. */
const INSTALLED = ["@pulumi", "@types", "hono", "pino"];

const SETTINGS: readonly { readonly name: string; readonly compilerOptions: Readonly<Record<string, unknown>> }[] = [
  {
    name: "what `pulumi new typescript` writes",
    compilerOptions: { target: "es2020", module: "commonjs", moduleResolution: "node", sourceMap: true },
  },
  { name: "nodenext", compilerOptions: { target: "es2022", module: "nodenext", moduleResolution: "nodenext" } },
  { name: "bundler", compilerOptions: { target: "es2022", module: "esnext", moduleResolution: "bundler" } },
];

const PROGRAMS: Readonly<Record<string, string>> = {
  "pulumi-program.ts": `
import * as pulumi from "@pulumi/pulumi";
import { Checkpoint, Image, type ImageManifest, Sandbox, Snapshot } from "pulumi-opencomputer";

const image = Image.base().aptInstall(["jq"]).addFile("/etc/motd", "hi", { mode: 0o640 }).env({ STAGE: "dev" })
  .startCommand("python3 -m http.server", { readyCommand: "curl -sf localhost:8000", readyTimeoutSeconds: 30 });
const snapshot = new Snapshot("agent", { image });
const sandbox = new Sandbox("agent", { snapshot: snapshot.name, timeout: 3600 });
const kept = new Checkpoint("kept", { sandbox: sandbox.id, kind: "full", triggers: [snapshot.contentHash, { at: 1 }] });
export const copy = new Sandbox("copy", { checkpoint: kept.id });
export const sizeBytes: pulumi.Output<number> = kept.sizeBytes;
export const manifest: ImageManifest = image.toJSON();
export const builtAt = snapshot.record.createdAt;
export const id: pulumi.Output<string> = sandbox.sandboxId;
`,
  "sdk-program.ts": `
import { type EntryInfo, Image, isOpenComputerError, Sandbox, type SnapshotInfo, Snapshots } from "pulumi-opencomputer/sdk";

export async function main(): Promise<string> {
  const info: SnapshotInfo = await new Snapshots().create({ name: "data", image: Image.base() });
  const sandbox = await Sandbox.create({ snapshot: info.name, onBuildLog: (line: string) => console.log(line) });
  try {
    const entries: EntryInfo[] = await sandbox.files.list("/");
    const { exitCode } = await sandbox.exec.run("true");
    return \`\${exitCode} \${entries.length}\`;
  } catch (error) {
    return isOpenComputerError(error, "not_found") ? error.code : "";
  } finally {
    await sandbox.kill();
  }
}
`,
  "server-program.ts": `
import { snapshot } from "pulumi-opencomputer/provider";
import { readServerConfig, startServer, type RunningServer, type ServerConfig } from "pulumi-opencomputer/server";

const config: ServerConfig = readServerConfig({ port: "8080" }, { env: process.env, uid: 0, homeDir: "/root" });
export const running: Promise<RunningServer> = startServer(config);
export const handlers: object = snapshot;
`,
};

let project: string;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "opencomputer-types-"));
  for (const name of INSTALLED) link(join(ROOT, "node_modules", name), name);
  link(ROOT, "pulumi-opencomputer");
  for (const [name, text] of Object.entries(PROGRAMS)) writeFileSync(join(project, name), text);
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

function link(target: string, name: string): void {
  const path = join(project, "node_modules", name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
}

async function compile(compilerOptions: object, files: readonly string[]): Promise<string> {
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  const args = [TSC, "--noEmit", "-p", "."];
  return (await execa(process.execPath, args, { cwd: project, reject: false, timeout: 120_000 })).stdout;
}

describe("programs compile without skipLibCheck and esModuleInterop", () => {
  it.each(SETTINGS)("$name", async ({ compilerOptions }) => {
    expect(await compile({ strict: true, ...compilerOptions }, Object.keys(PROGRAMS))).toBe("");
  });

  it("and a wrong one does not", async () => {
    writeFileSync(
      join(project, "wrong.ts"),
      'import { Image } from "pulumi-opencomputer";\nImage.base().workdir(1);\n',
    );
    expect(await compile({ strict: true, ...SETTINGS[0]?.compilerOptions }, ["wrong.ts"])).toMatch(
      /^wrong\.ts\(2,\d+\): error TS2345: [^\n]+$/,
    );
  });
});
