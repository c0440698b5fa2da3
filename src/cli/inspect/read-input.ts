/** The bytes to inspect: of a file, of a pipe, or the certificate that ssh uses now. */
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { currentPair } from '../current-pair.ts';
import { readBytes } from '../read-bytes.ts';

export interface InspectInput {
  /** The path, or "-". */
  readonly file: string;
  readonly bytes: Buffer;
}

/** A revocation list of four million scattered serials; nothing else that SSH has comes near. */
const limit = {
  most: 32 * 1024 * 1024,
  why: 'which no certificate, key or revocation list is',
  what: 'a certificate or a key',
};

/** @throws file_refused; token_missing if there is neither a file nor a current certificate */
export async function readInput(context: SallyContext, file: string | undefined): Promise<InspectInput> {
  const path = file ?? (await currentPair(context.paths))?.certificatePath;
  if (path !== undefined) return { file: path, bytes: await readBytes(context, path, limit) };
  throw new SallyportError(
    'token_missing',
    'There is no certificate of yours here. Run: sally login, or name a file: sally inspect FILE',
  );
}
