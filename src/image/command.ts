import { z } from "zod";
import { ARGUMENT_LIMIT, isArgument } from "./argument-size";
import { isUnicode, NOT_UNICODE } from "./unicode";

/** A shell command as the user wrote it: anything that one argument of `/bin/sh` can hold. */
export const commandSchema = z
  .string()
  .min(1, "must not be empty")
  .refine((command) => !command.includes("\0"), "must not contain a NUL byte")
  .refine(isUnicode, NOT_UNICODE)
  .refine(isArgument, `must have ${ARGUMENT_LIMIT}; add a script with addFile and run that`);
