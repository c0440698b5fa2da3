import { isSallyportError, SallyportError } from '../../errors/sallyport-error.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { documentLines } from '../inspect/document-lines.ts';
import type { FoundDocument } from '../inspect/documents.ts';
import { inspectBytes } from '../inspect/inspect-bytes.ts';
import { readInput } from '../inspect/read-input.ts';
import { printable } from '../printable.ts';

export interface InspectOptions {
  readonly json?: boolean;
  readonly md5?: boolean;
}

/**
 * Shows what is in a certificate, a public key, a revocation list or a signature; asks no server. Without a file the
 * certificate that ssh uses now. Ends with `files` if a part could not be read or a CA's signature is not good.
 */
export async function inspect(
  context: SallyContext,
  file: string | undefined,
  { json, md5 = false }: InspectOptions,
): Promise<ExitName> {
  const { terminal, environment } = context;
  const input = await readInput(context, file);
  const found = await inspected(input, nowSeconds(context));
  if (json) {
    terminal.print(asciiJson({ file: input.file, found }));
  } else {
    const page = {
      terminal,
      now: context.now(),
      columns: Math.max(60, environment.columns || 80),
      md5,
      showsLines: found.length > 1,
    };
    if (input.file !== '-') terminal.print(terminal.dim(printable(input.file)));
    for (const [index, document] of found.entries()) {
      if (index > 0) terminal.print();
      for (const line of documentLines(document, page)) terminal.print(line);
    }
  }
  return found.every(isSound) ? 'done' : 'files';
}

async function inspected(input: { file: string; bytes: Buffer }, now: number): Promise<FoundDocument[]> {
  try {
    return await inspectBytes(input.bytes, now);
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    const what = input.file === '-' ? 'standard input' : printable(input.file);
    throw new SallyportError('file_refused', `${what} ${error.message}`);
  }
}

function isSound(document: FoundDocument): boolean {
  if (document.kind === 'unreadable') return false;
  return document.kind !== 'certificate' || document.signed_by.signature_valid;
}

/** JSON that a terminal can be shown: what is not printable ASCII is escaped in JSON's own way. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    /[^\n -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
