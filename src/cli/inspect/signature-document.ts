/** A detached signature (OpenSSH PROTOCOL.sshsig), decoded. Without the message nobody can say whether it is good. Pure. */
import { WireReader } from '../../ssh/wire.ts';
import type { SignatureDocument } from './documents.ts';
import { keyFacts } from './key-document.ts';
import { textOf } from './text-of.ts';

/** @throws signature_invalid, key_malformed */
export function signatureDocument(bytes: Buffer): SignatureDocument {
  const reader = new WireReader(bytes, 'signature_invalid', 'signature');
  reader.raw('SSHSIG'.length);
  if (reader.u32() !== 1) throw reader.error('is of a version that is not known');
  const publicKey = reader.string();
  const namespace = textOf(reader.string());
  reader.string(); // reserved
  const hashAlgorithm = textOf(reader.string());
  const signature = new WireReader(reader.string(), 'signature_invalid', 'signature');
  reader.done();
  return {
    kind: 'signature',
    line: null,
    namespace,
    hash_algorithm: hashAlgorithm,
    signature_algorithm: textOf(signature.string()),
    public_key: keyFacts(publicKey),
  };
}
