import { appendFileSync, chmodSync, existsSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Elsewhere } from "./elsewhere";
import { PulumiStack, succeeded } from "./pulumi-stack";

/**
 * What is up on one machine is unchanged on every other: a colleague clones the repository and previews. What git keeps
 * is all that may count: bytes, names, links and the executable bit.
 */
let stack: PulumiStack;
let elsewhere: Elsewhere;
let clone: string;

const PROGRAM = `
const image = Image.base()
  .addLocalDir("./agent", "/workspace/agent", { ignore: ["*.log"] })
  .addLocalFile("./settings.json", "/etc/agent/settings.json")
  .addLocalFile("agent/bin/run", "/usr/local/bin/run-agent")
  .env({ STAGE: "prod", GREETING: "grüß dich" })
  .workdir("/workspace/agent");
exports.contentHash = new Snapshot("agent", { image }).contentHash;
`;

const FILES = {
  ".gitignore": "node_modules\nout/\n*.log\n",
  "settings.json": '{ "model": "small" }\n',
  "agent/.opencomputerignore": "out/\n",
  "agent/bin/run": "#!/bin/sh\nexec python3 main.py\n",
  "agent/Zebra.py": "",
  "agent/lib/deep/er/tool.py": "print('tool')\n",
  "agent/größe/İstanbul 🙂.txt": "Höhe\n",
  "agent/windows.txt": "kept as it is\r\n",
  // What git does not keep, and neither does the image.
  "agent/out/bundle.js": "built here\n",
  "agent/lib/out/bundle.js": "built here\n",
  "agent/lib/only/debug.log": "ran here\n",
};

beforeAll(async () => {
  stack = new PulumiStack();
  elsewhere = new Elsewhere(await stack.which("pulumi"));
  clone = join(elsewhere.dir, "somewhere", "clone");
  for (const [path, content] of Object.entries(FILES)) stack.file(path, content);
  chmodSync(join(stack.project, "agent/bin/run"), 0o755);
  symlinkSync("../lib/deep/er/tool.py", join(stack.project, "agent/bin/tool"));
  stack.program(PROGRAM);
  succeeded(await stack.pulumi("stack", "init", "dev"));
  succeeded(await stack.pulumi("up", "--yes", "--stack", "dev"));
  await handOver();
});

afterAll(async () => {
  elsewhere?.close();
  await stack?.close();
});

/** Commits, clones, and copies the backend, which stands for the one that colleagues share. */
async function handOver(): Promise<void> {
  const bundle = join(stack.dir, "repository.bundle");
  const identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"];
  const env = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
  for (const args of [["init"], ["add", "."], ["commit", "-m", "Agent"], ["bundle", "create", bundle, "HEAD"]]) {
    await execa("git", [...identity, ...args], { cwd: stack.project, env, timeout: 60_000 });
  }
  for (const path of [bundle, join(stack.dir, "backend")]) elsewhere.receive(path);
  succeeded(await elsewhere.run("git", "clone", join(elsewhere.dir, "repository.bundle"), clone));
  symlinkSync(elsewhere.nodeModules, join(clone, "node_modules"));
}

const preview = (...args: string[]) =>
  elsewhere.run("pulumi", "preview", "--stack", "dev", "--diff", "--non-interactive", "--cwd", clone, ...args);

describe("a clone elsewhere", () => {
  it("has other modes, another owner, and nothing that was built", () => {
    const describeFile = (path: string) => {
      const { uid, mode } = statSync(path);
      return `${uid} ${(mode & 0o777).toString(8)}`;
    };
    expect(describeFile(join(stack.project, "agent/bin/run"))).toBe("0 755");
    expect(describeFile(join(clone, "agent/bin/run"))).toBe("65534 700");
    for (const path of ["agent/out", "agent/lib/out", "agent/lib/only"]) {
      expect(existsSync(join(clone, path)), path).toBe(false);
    }
  });

  it("previews as unchanged", async () => {
    const { output } = succeeded(await preview("--expect-no-changes"));
    expect(output).not.toMatch(/^\s*[~+-]/m);
    expect(output).toContain("2 unchanged");
  });

  it("previews a change by its name, and needs no server for that", async () => {
    appendFileSync(join(clone, "agent/größe/İstanbul 🙂.txt"), "Breite\n");
    const { output } = succeeded(await preview());
    const changedFiles = [...output.matchAll(/^\s*[~+-] (\/.*?) *:/gm)].map(([, path]) => path);
    expect(changedFiles).toEqual(["/workspace/agent/größe/İstanbul 🙂.txt"]);
    expect(existsSync(elsewhere.serverHome)).toBe(false);
  });
});
