/** Keys that a revocation list may name one by one: also weak ones and dropped types, since those are why lists exist. */
import { isSallyportError } from '../errors/sallyport-error.ts';
import { inspectionOf } from './inspect-key.ts';
import { checkPublicKeyBlob } from './public-key.ts';
import { WireReader } from './wire.ts';

/** Throws unless the blob is one key of a type that is known, with every byte in its place. @throws key_malformed, key_type_refused, key_is_certificate */
export function checkRevocableKey(blob: Uint8Array): void {
  try {
    checkPublicKeyBlob(blob);
  } catch (error) {
    const code = isSallyportError(error) ? error.code : undefined;
    if (code === 'key_weak' || (code === 'key_type_refused' && isKnownType(blob))) return;
    throw error;
  }
}

/** Of known types every byte was read before the key was refused. */
function isKnownType(blob: Uint8Array): boolean {
  return inspectionOf(new WireReader(blob, 'key_malformed', 'public key').text()) !== undefined;
}
