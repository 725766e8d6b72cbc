import { z } from "zod";
import type { OpenComputerError, Problem } from "../../src/errors";

/** What an `invalid_input` error lists. */
export function problemsOf({ details, message }: OpenComputerError): readonly Problem[] {
  const parsed = problemsSchema.safeParse(details["problems"]);
  return parsed.success ? parsed.data : [{ path: "", message }];
}

const problemsSchema = z.array(z.object({ path: z.string(), message: z.string() })).min(1);
