/** What a command is given to read: a file, or standard input for "-". */
import { createReadStream } from 'node:fs';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { SallyContext } from './context.ts';
import { printable } from './printable.ts';

export interface ReadLimit {
  /** Bytes. */
  readonly most: number;
  /** Why more is not read, such as `which no certificate is`. */
  readonly why: string;
  /** What a person at a terminal is told to paste, such as `a certificate`. */
  readonly what: string;
}

/** @throws file_refused */
export async function readBytes(context: SallyContext, file: string, limit: ReadLimit): Promise<Buffer> {
  if (file === '-') return await readAll(standardInput(context, limit), 'Standard input', limit);
  try {
    return await readAll(createReadStream(file), printable(file), limit);
  } catch (error) {
    const why = troubles[(error as NodeJS.ErrnoException).code ?? ''];
    if (why === undefined) throw error;
    throw new SallyportError('file_refused', `${printable(file)} ${why}`);
  }
}

const troubles: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist.',
  ENOTDIR: 'does not exist: what should be a folder on the way is a file.',
  EISDIR: 'is a folder. Name a file in it.',
  EACCES: 'may not be read by you. Look at its owner and mode: ls -ld',
  ENXIO: 'is a socket, and there is nothing to read.',
  ELOOP: 'is a symbolic link that leads back to itself.',
};

function standardInput(
  { stdin, terminal, environment }: SallyContext,
  { what }: ReadLimit,
): AsyncIterable<Uint8Array> {
  if (stdin === undefined) throw new SallyportError('file_refused', 'There is no standard input.');
  if (environment.stdinIsTerminal) {
    terminal.tell(`sally: paste ${what}, then press Ctrl-D on a line of its own.`);
  }
  return stdin;
}

async function readAll(
  stream: AsyncIterable<Uint8Array>,
  name: string,
  { most, why }: ReadLimit,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > most) {
      throw new SallyportError('file_refused', `${name} is larger than ${most / 1024 / 1024} MiB, ${why}.`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
