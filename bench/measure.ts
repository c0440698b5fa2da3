/** Medians and a line that holds a measurement against its limit. */
export interface Measurement {
  readonly name: string;
  readonly milliseconds: readonly number[];
  readonly limitMilliseconds: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Median, smallest, largest, the limit, and the median's ratio to it (below 1 is within). */
export function report({ name, milliseconds, limitMilliseconds }: Measurement): string {
  const middle = median(milliseconds);
  const ratio = (middle / limitMilliseconds).toFixed(2);
  const range = `${Math.min(...milliseconds).toFixed(0)} to ${Math.max(...milliseconds).toFixed(0)}`;
  return `${name}: median ${middle.toFixed(0)} ms (${range}, ${milliseconds.length} runs), limit ${limitMilliseconds} ms, ratio ${ratio}`;
}

/** The same clock for every process of a machine. */
export function monotonicMilliseconds(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
