/** Gives one input to one parser and judges what came of it. */
import type { ErrorCode } from '../../src/errors/codes.ts';
import { isSallyportError, type SallyportError } from '../../src/errors/sallyport-error.ts';

export interface FuzzedParser {
  /** What the parser may throw; everything else that it throws is a finding. */
  readonly codes: readonly ErrorCode[];
  /** How many letters of its input in a row a message may repeat; without it hardly more than a short word. */
  readonly longestQuote?: number;
  /**
   * Reads the input as the program would, and checks what it got (expectSame): written back it must be the input.
   * @returns the shape of what was found, in few words and without the values: inputs with a new one are kept
   */
  read(input: Buffer): string | Promise<string>;
}

/** What a parser did that it must not do. */
export class Finding extends Error {
  override readonly name = 'Finding';
}

/** @returns the outcome in one line: a shape, or how the input was refused. @throws Finding */
export async function examine(parser: FuzzedParser, input: Buffer): Promise<string> {
  const given = Buffer.from(input);
  let outcome: string;
  try {
    const found = parser.read(given);
    outcome = `read: ${typeof found === 'string' ? found : await found}`;
  } catch (error) {
    if (error instanceof Finding) throw error;
    if (!isSallyportError(error)) throw new Finding(`threw ${describe(error)}`);
    outcome = refusal(parser, error);
  }
  if (!given.equals(input)) throw new Finding('changed its input');
  return outcome;
}

/** For parsers' checks: what was written back is what was read. */
export function expectSame(written: Uint8Array | string, read: Uint8Array | string): void {
  const [one, other] = [Buffer.from(written), Buffer.from(read)];
  if (!one.equals(other))
    throw new Finding(`wrote back ${one.length} bytes that are not the ${other.length} read`);
}

export function expectFact(fact: boolean, problem: string): void {
  if (!fact) throw new Finding(problem);
}

/** Printable text in one line, in words: nothing as long as a key was copied into it. */
function refusal(
  { codes, longestQuote = 24 }: FuzzedParser,
  { code, message, detail = '', members }: SallyportError,
): string {
  if (!codes.includes(code)) throw new Finding(`refused with ${code}: ${message}`);
  expectFact(
    message !== '' && !/\p{C}/u.test(message),
    `says what can't be printed: ${JSON.stringify(message)}`,
  );
  const said = `${message} ${detail} ${JSON.stringify(members)}`;
  const words = said.match(/[A-Za-z0-9+/_]+/g) ?? [];
  expectFact(
    message.length < 400 && words.every(({ length }) => length <= longestQuote),
    `repeats its input: ${JSON.stringify(said)}`,
  );
  const place = detail.replace(/ of \d+$/, '');
  // What was quoted is nothing new; of numbers only the order of magnitude is.
  return `${code}: ${message.replace(/"(\\.|[^"\\])*"/g, '""')} ${place}`.replace(/\d+/g, magnitude);
}

function magnitude(number: string): string {
  return `${2 ** Math.floor(Math.log2(Number(number) + 1)) - 1}`;
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.stack ?? error}` : `${typeof error} ${String(error)}`;
}
