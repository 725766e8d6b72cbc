import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Command } from "commander";
import { z } from "zod";
import { packageRoot } from "../client/package-root";
import type { CommandFactory } from "./command-factory";
import { formatJson, formatTable } from "./format-table";

const HELP = `
Changes nothing. Exit code 1 where something required is missing.

Example:
  $ pulumi-opencomputer doctor`;

const requirementSchema = z.object({
  name: z.string(),
  ok: z.boolean(),
  required: z.boolean(),
  found: z.string().optional(),
  what: z.string().optional(),
  note: z.string().optional(),
  keeps: z.string().optional(),
  hint: z.string().optional(),
});
type Requirement = z.infer<typeof requirementSchema>;

/** `doctor`: what this machine has and lacks. */
export const doctorCommand: CommandFactory = (terminal, done) =>
  new Command("doctor")
    .description("check what this machine needs, and say how to get what is missing")
    .option("--json", "print JSON: [{name, ok, required, found?, keeps?, hint?}]")
    .addHelpText("after", HELP)
    .action(async (options: { json?: boolean }) => {
      const requirements = await checkRequirements();
      terminal.print(options.json ? formatJson(requirements) : describe(requirements));
      if (requirements.some(({ ok, required }) => required && !ok)) done(1);
    });

/** The same checks as `npm start` makes; they must run before anything is built, so they are plain JavaScript. */
async function checkRequirements(): Promise<Requirement[]> {
  const checks: { checkRequirements: () => Promise<unknown> } = await import(
    pathToFileURL(join(packageRoot(), "tools", "requirements.mjs")).href
  );
  return z.array(requirementSchema).parse(await checks.checkRequirements());
}

function describe(requirements: readonly Requirement[]): string {
  const rows = requirements.map((one) => [one.name, verdict(one), one.found ?? "-"]);
  const notes = requirements.flatMap(({ name, ok, note, keeps }) => [
    ...(note ? [`${name}: ${note}`] : []),
    ...(ok && keeps ? [`${name}: keeps ${keeps}`] : []),
  ]);
  const hints = requirements.flatMap(({ name, ok, what, hint }) =>
    ok || !hint ? [] : [`${name}${what ? ` (${what})` : ""}: ${hint}`],
  );
  const sections = [formatTable(["REQUIREMENT", "STATE", "FOUND"], rows), notes.join("\n"), hints.join("\n")];
  return sections.filter((section) => section !== "").join("\n\n");
}

function verdict({ ok, required }: Requirement): string {
  if (ok) return "ok";
  return required ? "MISSING" : "optional";
}
