/** The bytes to inspect: of a file, of a pipe, or the certificate that ssh uses now. */
import { createReadStream } from 'node:fs';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { currentPair } from '../current-pair.ts';
import { printable } from '../printable.ts';

export interface InspectInput {
  /** The path, or "-". */
  readonly file: string;
  readonly bytes: Buffer;
}

/** A revocation list of four million scattered serials; nothing else that SSH has comes near. */
const largestInput = 32 * 1024 * 1024;

/** @throws file_refused; token_missing if there is neither a file nor a current certificate */
export async function readInput(context: SallyContext, file: string | undefined): Promise<InspectInput> {
  if (file === '-') return { file, bytes: await readAll(standardInput(context), 'Standard input') };
  const path = file ?? (await currentPair(context.paths))?.certificatePath;
  if (path === undefined) {
    throw new SallyportError(
      'token_missing',
      'There is no certificate of yours here. Run: sally login, or name a file: sally inspect FILE',
    );
  }
  try {
    return { file: path, bytes: await readAll(createReadStream(path), printable(path)) };
  } catch (error) {
    const why = troubles[(error as NodeJS.ErrnoException).code ?? ''];
    if (why === undefined) throw error;
    throw new SallyportError('file_refused', `${printable(path)} ${why}`);
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

function standardInput({ stdin, terminal, environment }: SallyContext): AsyncIterable<Uint8Array> {
  if (stdin === undefined) throw new SallyportError('file_refused', 'There is no standard input.');
  if (environment.stdinIsTerminal) {
    terminal.tell('sally: paste a certificate or a key, then press Ctrl-D on a line of its own.');
  }
  return stdin;
}

async function readAll(stream: AsyncIterable<Uint8Array>, what: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > largestInput) {
      throw new SallyportError(
        'file_refused',
        `${what} is larger than ${largestInput / 1024 / 1024} MiB, which no certificate, key or revocation list is.`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
