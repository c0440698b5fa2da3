/** Opens the signer that a URI names: a table of schemes, each with the program's part behind it. */
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { OpenSigner } from '../signer.ts';
import { openFileSigner } from './file-signer.ts';
import type { SignerSurroundings } from './surroundings.ts';

type OpenScheme = (rest: string, surroundings: SignerSurroundings) => Promise<OpenSigner>;

const schemes: Readonly<Record<string, OpenScheme>> = {
  file: openFileSigner,
};

/**
 * Opens a signer by its URI, which is no secret: `<scheme>:<rest>`.
 * @throws settings_invalid (what is wrong with the URI, or which setting is missing), file_refused, signer_failed
 */
export async function openSigner(uri: string, surroundings: SignerSurroundings): Promise<OpenSigner> {
  const colon = uri.indexOf(':');
  const scheme = uri.slice(0, Math.max(0, colon));
  const open = Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined;
  if (open === undefined) {
    const known = Object.keys(schemes).map((name) => `${name}:`);
    throw new SallyportError(
      'settings_invalid',
      `There is no signer of this kind. A signer's name begins with one of: ${known.join(' ')}`,
    );
  }
  return await open(uri.slice(colon + 1), surroundings);
}
