/** `npm run tour`: the steps one after the other, one line each with its time; the first that does not hold ends it. */
import { writeFile } from 'node:fs/promises';
import { parseArgs, styleText } from 'node:util';
import { isSallyportError, SallyportError } from '../../errors/sallyport-error.ts';
import { openStage, type Stage } from './stage.ts';
import { story } from './story.ts';

export interface TourSurroundings {
  readonly args: readonly string[];
  /** The clone's folder. */
  readonly root: string;
  readonly stdout: NodeJS.WriteStream;
}

interface StepRecord {
  readonly step: string;
  readonly held: boolean;
  readonly milliseconds: number;
  readonly said: string;
}

const usage = 'Usage: npm run tour -- [--json FILE] [--keep DIR]';

/** @returns the exit status: 0 only if every step held */
export async function runTour({ args, root, stdout }: TourSurroundings): Promise<number> {
  const { json, keep } = readArguments(args);
  const paint = (format: 'green' | 'red' | 'dim', text: string) =>
    stdout.isTTY ? styleText(format, text, { validateStream: false }) : text;
  const records: StepRecord[] = [];
  let stage: Stage | undefined;
  const begin = performance.now();
  try {
    for (const [index, { name, run }] of story.entries()) {
      const from = performance.now();
      let said: string;
      let held = true;
      try {
        stage ??= await openStage(root, keep);
        said = await run(stage);
      } catch (error) {
        held = false;
        said = explain(error);
      }
      const milliseconds = Math.round(performance.now() - from);
      records.push({ step: name, held, milliseconds, said });
      const number = String(index + 1).padStart(2);
      const mark = held ? paint('green', 'ok') : paint('red', 'FAILED');
      stdout.write(`${number}  ${mark}  ${name} ${paint('dim', `(${milliseconds} ms)`)}\n`);
      stdout.write(`    ${held ? paint('dim', said) : said.replaceAll('\n', '\n    ')}\n`);
      if (!held) break;
    }
  } finally {
    await stage?.close();
    if (json) await writeFile(json, `${JSON.stringify({ steps: records }, null, 2)}\n`);
  }
  const held = records.filter((record) => record.held).length;
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  stdout.write(`\n${held} of ${story.length} steps held, in ${seconds} s\n`);
  if (keep && held > 0)
    stdout.write(
      `Kept in ${keep}: look at them with sally inspect,\nssh-keygen -L -f and ssh-keygen -Q -l -f\n`,
    );
  return held === story.length ? 0 : 1;
}

function readArguments(args: readonly string[]): { json?: string; keep?: string } {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { json: { type: 'string' }, keep: { type: 'string' } },
    });
    return values;
  } catch (error) {
    throw new SallyportError('settings_invalid', `${(error as Error).message}. ${usage}`);
  }
}

function explain(error: unknown): string {
  if (isSallyportError(error)) return error.message;
  return error instanceof Error ? error.message : String(error);
}
