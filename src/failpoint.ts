/**
 * Named places at which a test may end this process as a crash does: at once, with nothing cleaned up. They stand where
 * something durable has just been done, or is about to be.
 */
export const FAILPOINTS = [] as const satisfies readonly string[];

export type Failpoint = (typeof FAILPOINTS)[number];
