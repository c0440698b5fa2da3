/**
 * `npm run fuzz`: every parser for a minute, each in a process of its own, or the one of --parser for --seconds.
 * --save keeps inputs with new outcomes in the corpus; --seed repeats a run. Ends with status 1 on a finding, which it
 * prints whole: nothing in the corpus is secret.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { addToCorpus, readCorpus } from './corpus.ts';
import { fuzzParser } from './fuzz-parser.ts';
import { parsers } from './parsers.ts';

const { values } = parseArgs({
  options: {
    parser: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: `${Date.now() % 2 ** 31}` },
    // When to end, in milliseconds of Date.now(): how the processes of one run end together.
    until: { type: 'string' },
    save: { type: 'boolean', default: false },
  },
});

const until = Number(values.until ?? Date.now() + Number(values.seconds) * 1000);

async function fuzzOne(parser: string): Promise<boolean> {
  if (!Object.hasOwn(parsers, parser)) {
    console.log(`There is no parser ${parser}. There are: ${Object.keys(parsers).join(', ')}`);
    return false;
  }
  const corpus = readCorpus(parser);
  const { executions, kept, bySeeds, finding } = await fuzzParser({
    module: new URL('parsers.ts', import.meta.url).href,
    parser,
    seeds: corpus.map(({ input }) => input),
    randomSeed: Number(values.seed),
    until,
  });
  const counts = `${kept.size} outcomes, ${kept.size - bySeeds.size} of them new`;
  console.log(`${parser.padEnd(20)} ${executions} executions, ${finding ? 'then a FINDING' : counts}`);
  if (values.save) save(parser, kept, bySeeds);
  if (finding === undefined) return true;
  const { problem, input } = finding;
  console.log(
    [
      `  ${problem}`,
      `  the input, ${input.length} bytes in base64; it becomes a file in test/fuzz/corpus/${parser}/:`,
      `  ${input.toString('base64')}`,
      `  again: npm run fuzz -- --parser ${parser} --seed ${values.seed}`,
    ].join('\n'),
  );
  return false;
}

/** So that the corpus stays small. */
const mostSaved = 10;

/** The shortest inputs that are refused or read in a new way, wherever in the input that was. */
function save(parser: string, kept: ReadonlyMap<string, Uint8Array>, bySeeds: ReadonlySet<string>): void {
  const inWords = (outcome: string) => outcome.replace(/\d+/g, '');
  const known = new Set([...bySeeds].map(inWords));
  const most = known.size + mostSaved;
  for (const [outcome, input] of [...kept].sort(([, one], [, other]) => one.length - other.length)) {
    if (known.has(inWords(outcome)) || known.size >= most) continue;
    known.add(inWords(outcome));
    addToCorpus(parser, Buffer.from(input));
  }
}

/** All at once: the machine's scheduler shares the processors out. */
async function fuzzAll(): Promise<boolean> {
  const own = fileURLToPath(import.meta.url);
  const options = ['--until', `${until}`, '--seed', values.seed, ...(values.save ? ['--save'] : [])];
  const runs = Object.keys(parsers).map(
    (parser) =>
      new Promise<boolean>((resolve) => {
        const child = spawn(process.execPath, [own, '--parser', parser, ...options], {
          stdio: ['ignore', 'inherit', 'inherit'],
        });
        child.once('close', (status) => resolve(status === 0));
      }),
  );
  return (await Promise.all(runs)).every(Boolean);
}

const isGood = await (values.parser === undefined ? fuzzAll() : fuzzOne(values.parser));
process.exitCode = isGood ? 0 : 1;
