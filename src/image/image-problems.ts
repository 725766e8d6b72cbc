import { invalidInput, type OpenComputerError, type Problem } from "../errors";

/**
 * One report of all that is wrong with an image: first what concerns the whole, then step by step, each with the number
 * that plans and logs give the step, beside its path in the program.
 *
 * @param steps as they came, for the types that they say they have
 * @example `steps[2].args.packages[0] (step 3, pip_install): is not a pip requirement; …`
 */
export function invalidImage(what: string, problems: readonly Problem[], steps: unknown): OpenComputerError {
  const located = problems.map((problem) => ({ problem, index: indexOf(problem) }));
  const sorted = located.sort((a, b) => a.index - b.index);
  return invalidInput(
    what,
    sorted.map(({ problem, index }) => (index < 0 ? problem : { ...problem, where: describeStep(index, steps) })),
  );
}

function indexOf({ path }: Problem): number {
  return Number(/^steps\[(\d+)\]/.exec(path)?.[1] ?? -1);
}

function describeStep(index: number, steps: unknown): string {
  const step: unknown = Array.isArray(steps) ? steps[index] : undefined;
  const type: unknown = typeof step === "object" && step !== null ? Reflect.get(step, "type") : undefined;
  return typeof type === "string" && /^\w{1,30}$/.test(type) ? `step ${index + 1}, ${type}` : `step ${index + 1}`;
}
