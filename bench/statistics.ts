/** What a series of measurements comes to, in milliseconds. */
export interface Figures {
  readonly name: string;
  readonly samples: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Figures of a series, with a tenth of a millisecond. */
export function toFigures(name: string, samples: readonly number[]): Figures {
  const at = (fraction: number) => roundTo(percentile(samples, fraction), 1);
  return { name, samples: samples.length, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** The nearest rank; NaN of an empty series. */
export function percentile(samples: readonly number[], fraction: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? Number.NaN;
}

/** By how much y grows with each x, by least squares; NaN of fewer than two points. */
export function slope(points: readonly { readonly x: number; readonly y: number }[]): number {
  const mean = (pick: (point: { x: number; y: number }) => number) =>
    points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const [meanX, meanY] = [mean(({ x }) => x), mean(({ y }) => y)];
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  return points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread;
}

/** Rounds to so many decimal places. */
export function roundTo(value: number, places: number): number {
  return Math.round(value * 10 ** places) / 10 ** places;
}
