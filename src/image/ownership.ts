import { z } from "zod";

/** The last number that a user or group has inside: sandboxes and builds have 65,536 of each. */
const MAX_ID = 65_535;

/** What `mode` and `owner` say; absent, the executable bit and the directory that the entry is put into decide. */
export const ownershipFields = {
  mode: z
    .string()
    .regex(/^[0-7]{4}$/, 'must be four octal digits such as "0640", or as a number 0o640')
    .optional(),
  owner: z
    .string()
    .regex(/^([a-z_][a-z0-9_-]*|\d+)(:([a-z_][a-z0-9_-]*|\d+))?$/, "must be a user, user:group, uid or uid:gid")
    .refine(
      (owner) => owner.split(":").every((one) => !/^\d+$/.test(one) || Number(one) <= MAX_ID),
      `must not name a number above ${MAX_ID}, the last that there is inside`,
    )
    .optional(),
};

/** Whether a file is executable there: a mode that is given decides, whatever the file says of itself. */
export function isExecutable({ mode }: { readonly mode?: string | undefined }, own: boolean): boolean {
  return mode === undefined ? own : (Number.parseInt(mode, 8) & 0o100) !== 0;
}

/** What is said of mode and owner, in a summary. */
export function describeOwnership(args: {
  readonly mode?: string | undefined;
  readonly owner?: string | undefined;
}): string[] {
  return [...(args.mode ? [`mode ${args.mode}`] : []), ...(args.owner ? [`owner ${args.owner}`] : [])];
}
