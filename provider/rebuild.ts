import { z } from "zod";
import type { Properties } from "./context";

/** What a snapshot's inputs and outputs say of its image, for people: recorded once, planned once. */
const describedSchema = z.object({
  steps: z.array(z.object({ op: z.string(), summary: z.string(), digest: z.string() })),
  files: z.record(z.string(), z.string()).default({}),
});
type Described = z.infer<typeof describedSchema>;
type DescribedStep = Described["steps"][number];

/**
 * The one thing that a reader of a plan wants to know: where the rebuild begins, why, and what it keeps. Undefined where
 * either side is not known. With `isSecret`, steps are counted and not told.
 *
 * @example describeRebuild(olds, news, false) // "rebuild from step 4 of 7: pip_install +polars==1.9 (3 cached)"
 */
export function describeRebuild(olds: Properties, news: Properties, isSecret: boolean): string | undefined {
  const before = describedSchema.safeParse(olds);
  const after = describedSchema.safeParse(news);
  if (!before.success || !after.success) return undefined;
  const { steps } = after.data;
  const first = steps.findIndex((step, index) => step.digest !== before.data.steps[index]?.digest);
  const step = steps[first];
  if (step === undefined) {
    const gone = before.data.steps.length - steps.length;
    if (gone <= 0) return undefined;
    return `rebuild: ${gone === 1 ? "the last step is" : `the last ${gone} steps are`} gone, ${steps.length} cached`;
  }
  const what = isSecret ? "" : `: ${describeChange(before.data, after.data, first)}`;
  return `rebuild from step ${first + 1} of ${steps.length}${what} (${first} cached)`;
}

function describeChange(before: Described, after: Described, index: number): string {
  const old = before.steps[index];
  const step = after.steps[index];
  if (step === undefined || old?.op !== step.op) return shorten(step?.summary ?? "");
  const words = changedWords(old, step);
  const files = isFiles(step) ? changedFiles(before.files, after.files, pathOf(step)) : [];
  if (isList(step) && words.length > 0) return `${step.op} ${atMost(words, 8)}`;
  if (files.length > 0) return `${step.op} ${atMost(files, 3)}`;
  return shorten(step.summary) + (old.summary === step.summary ? ` (${whatElse(step)} changed)` : "");
}

/** Steps whose summary is a list: what came and what went says more than the list. */
const isList = ({ op }: DescribedStep) => ["apt_install", "pip_install", "env"].includes(op);
const isFiles = ({ op }: DescribedStep) => ["add_dir", "add_file"].includes(op);

function whatElse({ op }: DescribedStep): string {
  if (op === "env") return "a value";
  return op.startsWith("add_") ? "what is not shown of the files" : "what is not shown";
}

function changedWords(old: DescribedStep, step: DescribedStep): string[] {
  const words = ({ summary }: DescribedStep) => summary.split(" ").slice(1);
  const [gone, come] = [words(old).filter((word) => !words(step).includes(word)), words(step)];
  const added = come.filter((word) => !words(old).includes(word)).map((word) => `+${word}`);
  return [...added, ...gone.map((word) => `-${word}`)];
}

/** The target of a step that adds files, as its summary has it: `add_dir /workspace/agent (3 files)`. */
function pathOf({ summary }: DescribedStep): string {
  return summary
    .split(" ")
    .slice(1)
    .join(" ")
    .replace(/ \([^()]*\)$/, "");
}

function changedFiles(before: Described["files"], after: Described["files"], root: string): string[] {
  const paths = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const below = paths.filter((path) => path === root || path.startsWith(root.endsWith("/") ? root : `${root}/`));
  const changed = below.filter((path) => before[path] !== after[path]);
  return changed.map((path) =>
    before[path] === undefined ? `+${path}` : after[path] === undefined ? `-${path}` : path,
  );
}

const shorten = (text: string) => (text.length <= 100 ? text : `${text.slice(0, 99)}…`);

function atMost(words: readonly string[], most: number): string {
  const more = words.length > most ? ` and ${words.length - most} more` : "";
  return words.slice(0, most).join(" ") + more;
}
