import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { census, leaked } from "../fixtures/census";
import { PulumiStack, repository, succeeded } from "../provider/pulumi-stack";

/** The example in a copy, as its README tells. It installs no packages, so no registry is asked. */
let stack: PulumiStack;
let before: string[];

beforeAll(async () => {
  before = census();
  stack = new PulumiStack();
  cpSync(join(repository, "examples", "forks"), stack.project, { recursive: true });
  succeeded(await stack.pulumi("stack", "init", "dev"));
});
afterAll(async () => {
  await stack?.close();
});

const ask = async (sandbox: string, ...notes: string[]) => {
  const command = ["python3 service/ask.py", ...notes.map((note) => `'${note}'`)].join(" ");
  return succeeded(await stack.cli("exec", sandbox, "--", command)).stdout;
};
const forks = async () => (await stack.outputs())["sandboxIds"] as [string, string];

it("forks know what the prepared sandbox was told, and nothing of each other", async () => {
  succeeded(await stack.pulumi("up", "--yes", "--skip-preview", "--stack", "dev"));
  const [draft, review] = await forks();
  expect(await ask(draft, "whales sing")).toBe("draft: otters hold hands, whales sing");
  expect(await ask(review)).toBe("review: otters hold hands");
});

it("another task is another fork, and nothing else changes", async () => {
  succeeded(await stack.pulumi("config", "set", "--path", "tasks[0]", "draft", "--stack", "dev"));
  succeeded(await stack.pulumi("config", "set", "--path", "tasks[1]", "publish", "--stack", "dev"));
  const { output } = succeeded(await stack.pulumi("up", "--yes", "--skip-preview", "--stack", "dev"));
  expect(output).toMatch(/\+ 1 created\s+- 1 deleted\s+2 changes\. 5 unchanged/);
  const [draft, publish] = await forks();
  expect(await ask(draft)).toBe("draft: otters hold hands, whales sing");
  expect(await ask(publish)).toBe("publish: otters hold hands");
});

it("goes as a whole", async () => {
  succeeded(await stack.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev"));
  await stack.close();
  expect(leaked(before, census())).toEqual([]);
});
