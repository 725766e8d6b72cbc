import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { describe, expect, it } from "vitest";

/** A command that ends well at the first SIGINT, and tells of a second. */
const COMMAND = `
let count = 0;
process.on("SIGINT", () => { count += 1; setTimeout(() => { console.log("SIGINTs: " + count); process.exit(0); }, 500); });
console.log("ready");
setInterval(() => {}, 1000);
`;
const TOOL = `
import { runInForeground } from ${JSON.stringify(toolUrl("command.mjs"))};
import { runProgram } from ${JSON.stringify(toolUrl("main-program.mjs"))};
await runProgram(() => runInForeground(process.execPath, ["-e", ${JSON.stringify(COMMAND)}]));
`;
const ARGS = ["--input-type=module", "-e", TOOL];

function toolUrl(name: string): string {
  return pathToFileURL(join(resolve(__dirname, "../../tools"), name)).href;
}

describe("a command that is stopped gets one SIGINT", () => {
  it.each([
    ["sent to the tool alone", "SIGINT", 1],
    ["sent to its whole process group", "SIGINT", -1],
    ["SIGTERM, sent to the tool alone", "SIGTERM", 1],
  ] as const)("%s", async (_title, signal, sign) => {
    const tool = execa(process.execPath, ARGS, { all: true, reject: false, detached: true, timeout: 20_000 });
    tool.stdout.once("data", () => process.kill(sign * (tool.pid ?? Number.NaN), signal));
    const { all, exitCode } = await tool;
    expect(all).toContain("SIGINTs: 1");
    expect(all).toContain("Stopped.");
    expect(exitCode).toBe(130);
  });

  it("Ctrl-C at a terminal", async () => {
    const line = [process.execPath, ...ARGS].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    const terminal = execa("script", ["-qec", line, "/dev/null"], { all: true, reject: false, timeout: 20_000 });
    terminal.stdout.once("data", () => terminal.stdin.write("\u0003"));
    const { all, exitCode } = await terminal;
    expect(all).toContain("SIGINTs: 1");
    expect(all).toContain("Stopped.");
    expect(exitCode).toBe(130);
  });
});
