/** Bytes of whatever kind, decoded. Pure. */
import { isSallyportError } from '../../errors/sallyport-error.ts';
import { isCertificateType } from '../../ssh/public-key.ts';
import { WireReader } from '../../ssh/wire.ts';
import { certificateDocument } from './certificate-document.ts';
import type { FoundDocument } from './documents.ts';
import { keyFacts } from './key-document.ts';
import { krlDocument } from './krl-document.ts';
import { type Recognized, recognize } from './recognize.ts';
import { signatureDocument } from './signature-document.ts';

/** @throws file_refused if nothing in the bytes is of a kind that is known */
export async function inspectBytes(bytes: Buffer, nowSeconds: number): Promise<FoundDocument[]> {
  const documents: FoundDocument[] = [];
  for (const found of recognize(bytes)) {
    try {
      documents.push(await decoded(found, nowSeconds));
    } catch (error) {
      if (!isSallyportError(error)) throw error;
      documents.push({ kind: 'unreadable', line: found.line, problem: error.message });
    }
  }
  return documents;
}

async function decoded(found: Recognized, nowSeconds: number): Promise<FoundDocument> {
  switch (found.kind) {
    case 'krl':
      return krlDocument(found.bytes);
    case 'signature':
      return signatureDocument(found.bytes);
    case 'key file': {
      // Loads more than any other kind needs.
      const { readPublicKeyFile } = await import('../../ssh/read-key-file.ts');
      const { blob, comment } = await readPublicKeyFile(found.bytes);
      const place = { line: null, before: null, comment: comment === '' ? null : comment };
      return { kind: 'public_key', ...place, public_key: keyFacts(blob) };
    }
    case 'unreadable':
      return found;
    case 'key': {
      const { blob, line, before, comment } = found;
      const type = new WireReader(blob, 'key_malformed', 'public key').text();
      if (isCertificateType(type)) return certificateDocument(blob, { line, before, comment }, nowSeconds);
      return { kind: 'public_key', line, before, comment, public_key: keyFacts(blob) };
    }
  }
}
