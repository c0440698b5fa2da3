/** What a companion that runs writes down of itself for `status`, which is another process. */
import { z } from 'zod';
import { readPrivateFile } from '../files/write-file.ts';
import { staleChoices } from './trusted-age.ts';

const runReportSchema = z.object({
  format: z.literal(1),
  /** Unix seconds, as all times here. */
  written_at: z.int(),
  heard_at: z.int(),
  stale: z.boolean(),
  when_stale: z.enum(staleChoices),
  /** Seconds that this clock is ahead of the CA's; negative: behind. */
  clock_skew: z.int(),
  problem: z.string().nullable(),
});

export type RunReport = z.infer<typeof runReportSchema>;

export function reportText(report: RunReport): string {
  return `${JSON.stringify(report)}\n`;
}

/** Undefined if there is none, or none that can be read: it says nothing that is not also in the log. */
export async function readRunReport(path: string): Promise<RunReport | undefined> {
  try {
    const bytes = await readPrivateFile(path);
    return bytes && runReportSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    return undefined;
  }
}
