import { Command } from "commander";
import type { ImagePlan } from "../api/records";
import { formatSize } from "../image/format-size";
import type { ResolvedImage } from "../image/image";
import type { Step } from "../image/image-manifest";
import { describeStep, type StepDescription } from "../image/step-description";
import { addedFiles, namedDigests } from "../image/tree";
import { formatJson, formatTable } from "./format-table";
import { loadImageFile } from "./image-file";
import { noServer, type Terminal } from "./terminal";

const HELP = `
Nothing is built, sent or started. Where no server runs, nobody knows what is built already.

Examples:
  $ pulumi-opencomputer plan agent.ts
  $ pulumi-opencomputer plan agent.ts --json | jq -r .contentHash`;

/** One step as a plan shows it. */
interface PlannedStep extends StepDescription {
  /** Absent where no server was asked. */
  readonly key?: string;
  readonly cached?: boolean;
  /** Bytes of the files that the step adds; absent where they are not at hand. */
  readonly sizeBytes?: number;
}

/** `plan`: what a build of an image would do. */
export function planCommand(terminal: Terminal): Command {
  return new Command("plan")
    .description("show the steps of the image that a file exports, and which of them are built already")
    .argument("<file>", "a .ts, .js, .mjs, .cjs or .json file")
    .option("--json", "print JSON: {contentHash, steps: [{op, summary, digest, key, cached, sizeBytes}]}")
    .addHelpText("after", HELP)
    .action(async (file: string, options: { json?: boolean }) => {
      const image = await loadImageFile(file);
      const api = await terminal.find();
      if (!api) terminal.note(noServer(terminal));
      const plan = await api?.plan(image.manifest, { signal: terminal.signal });
      const steps = await planSteps(image, plan);
      if (options.json) return terminal.print(formatJson({ contentHash: image.contentHash, steps }));
      terminal.print(formatTable(["STEP", "BUILT", "KEY", "FILES", "WHAT"], steps.map(toRow)));
      terminal.print(`\n${image.contentHash}: ${describeRebuild(steps, plan)}`);
    });
}

async function planSteps(image: ResolvedImage, plan: ImagePlan | undefined): Promise<PlannedStep[]> {
  return Promise.all(
    image.manifest.steps.map(async (step, index) => {
      const sizeBytes = await sizeOf(step, image);
      const build = plan ? { key: plan.keys[index] ?? "", cached: index < plan.cached } : {};
      return { ...describeStep(step), ...build, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
    }),
  );
}

/** Undefined where the bytes are not at hand: a manifest as JSON names them only. */
async function sizeOf(step: Step, { findBlob }: ResolvedImage): Promise<number | undefined> {
  const [named] = namedDigests({ base: "base", steps: [step] });
  if (named === undefined) return 0;
  if (findBlob(named) === undefined) return undefined;
  const read = async (digest: string) => Buffer.concat((await findBlob(digest)?.open().toArray()) ?? []);
  const added = await addedFiles({ base: "base", steps: [step] }, read);
  const files = added.flatMap((one) => one.files);
  return files.reduce((total, { digest }) => total + (findBlob(digest)?.sizeBytes ?? 0), 0);
}

function toRow({ summary, key, cached, sizeBytes }: PlannedStep, index: number): string[] {
  const built = cached === undefined ? "?" : cached ? "yes" : "no";
  const size = sizeBytes === undefined ? "?" : sizeBytes === 0 ? "-" : formatSize(sizeBytes);
  return [String(index + 1), built, key?.slice(0, 12) ?? "-", size, summary];
}

function describeRebuild(steps: readonly PlannedStep[], plan: ImagePlan | undefined): string {
  if (plan === undefined) return steps.length === 1 ? "1 step" : `${steps.length} steps`;
  if (plan.cached === steps.length) return "all is built";
  return `build from step ${plan.cached + 1} of ${steps.length}`;
}
