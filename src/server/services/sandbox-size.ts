/** What a sandbox may use at most. */
export interface SandboxSize {
  readonly memoryMB: number;
  readonly cpuCount: number;
}

const LARGEST: SandboxSize = { memoryMB: 16_384, cpuCount: 4 };
/** The wire's tiers, smallest first. */
const TIERS: readonly SandboxSize[] = [
  { memoryMB: 1024, cpuCount: 1 },
  { memoryMB: 4096, cpuCount: 1 },
  { memoryMB: 8192, cpuCount: 2 },
  LARGEST,
];
/** Where nothing is said. */
export const DEFAULT_SIZE: SandboxSize = { memoryMB: 4096, cpuCount: 1 };

/**
 * The size that is meant where only a part of it is said: the other part is that of the smallest tier which has as much,
 * else of the largest; where nothing is said, 4096 MB and 1 CPU. Both are taken as they are: nobody bills by tiers here.
 */
export function toSandboxSize({ memoryMB, cpuCount }: AskedSize): SandboxSize {
  if (memoryMB === undefined && cpuCount === undefined) return DEFAULT_SIZE;
  const tier = TIERS.find((size) => size.memoryMB >= (memoryMB ?? 0) && size.cpuCount >= (cpuCount ?? 0)) ?? LARGEST;
  return { memoryMB: memoryMB ?? tier.memoryMB, cpuCount: cpuCount ?? tier.cpuCount };
}

interface AskedSize {
  readonly memoryMB?: number | undefined;
  readonly cpuCount?: number | undefined;
}
