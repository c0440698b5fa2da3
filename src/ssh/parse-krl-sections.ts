/** The sections of a revocation list. Every byte of each is read, or the list is refused. */
import { isSallyportError } from '../errors/sallyport-error.ts';
import { digestBytes, keyIdList, sectionNumbers } from './krl-format.ts';
import { type FoundSerials, type ParsedSerials, parsedSerials, serialReaders } from './parse-krl-serials.ts';
import { checkPublicKeyBlob } from './public-key.ts';
import { checkRevocableKey } from './revocable-key.ts';
import { WireReader } from './wire.ts';

export interface ParsedCertificatesSection extends ParsedSerials {
  /** Null: of whatever CA. */
  readonly caPublicKey: Buffer | null;
  readonly keyIds: ReadonlySet<string>;
}

export interface ParsedSections {
  /** One for each CA, in the file's order. */
  readonly sections: readonly ParsedCertificatesSection[];
  /** Revoked keys: blobs in hex. */
  readonly keys: ReadonlySet<string>;
  /** Revoked keys by the hash of their blob, in hex. */
  readonly sha1: ReadonlySet<string>;
  readonly sha256: ReadonlySet<string>;
}

interface Found extends ParsedSections {
  readonly sections: ParsedCertificatesSection[];
  /** Their CA keys in hex. */
  readonly authorities: Set<string>;
  readonly keys: Set<string>;
  readonly sha1: Set<string>;
  readonly sha256: Set<string>;
}

const sectionReaders: ReadonlyMap<number, (reader: WireReader, found: Found) => void> = new Map([
  [sectionNumbers.certificates, readCertificates],
  [sectionNumbers.keys, readKeys],
  [sectionNumbers.sha1, (reader, { sha1 }) => readDigests(reader, digestBytes.sha1, sha1)],
  [sectionNumbers.sha256, (reader, { sha256 }) => readDigests(reader, digestBytes.sha256, sha256)],
]);

/** Everything that follows the header. @throws krl_malformed */
export function readSections(reader: WireReader): ParsedSections {
  if (!reader.hasMore) throw reader.error('has no section and so revokes nothing');
  const found: Found = {
    sections: [],
    authorities: new Set(),
    keys: new Set(),
    sha1: new Set(),
    sha256: new Set(),
  };
  while (reader.hasMore) {
    const kind = reader.u8();
    const readSection = sectionReaders.get(kind);
    if (readSection === undefined) throw reader.error(`has a section (${kind}) that is not understood`);
    const section = readerOf(reader.string());
    if (!section.hasMore) throw reader.error('has an empty section');
    readSection(section, found);
  }
  const { sections, keys, sha1, sha256 } = found;
  return { sections, keys, sha1, sha256 };
}

function readCertificates(reader: WireReader, { sections, authorities }: Found): void {
  const caPublicKey = reader.string();
  const isForAll = caPublicKey.length === 0;
  if (!isForAll && !passes(checkPublicKeyBlob, caPublicKey))
    throw reader.error('has a section without a readable CA key');
  if (authorities.has(caPublicKey.toString('hex'))) throw reader.error('has two sections for one CA');
  authorities.add(caPublicKey.toString('hex'));
  if (reader.string().length > 0) throw reader.error('has content in a reserved field');
  if (!reader.hasMore) throw reader.error('has a section that revokes nothing');

  const serials: FoundSerials = { serials: [], ranges: [], bitmaps: [] };
  const keyIds = new Set<string>();
  while (reader.hasMore) {
    const kind = reader.u8();
    const data = readerOf(reader.string());
    if (!data.hasMore) throw reader.error('has an empty part');
    const readSerials = serialReaders.get(kind);
    if (readSerials) readSerials(data, serials);
    else if (kind === keyIdList) readKeyIds(data, keyIds);
    else throw reader.error(`revokes in a way (${kind}) that is not understood`);
  }
  sections.push({ caPublicKey: isForAll ? null : caPublicKey, keyIds, ...parsedSerials(serials) });
}

function readKeyIds(reader: WireReader, keyIds: Set<string>): void {
  while (reader.hasMore) keyIds.add(reader.text());
}

function readKeys(reader: WireReader, { keys }: Found): void {
  while (reader.hasMore) {
    const blob = reader.string();
    if (!passes(checkRevocableKey, blob)) throw reader.error('revokes a key that cannot be read');
    keys.add(blob.toString('hex'));
  }
}

/** In ascending order, as the format has it. */
function readDigests(reader: WireReader, length: number, digests: Set<string>): void {
  let last: Buffer | undefined;
  while (reader.hasMore) {
    const digest = reader.string();
    if (digest.length !== length) throw reader.error('has a hash of another length');
    if (last && Buffer.compare(last, digest) >= 0) throw reader.error('has hashes that are not in order');
    digests.add(digest.toString('hex'));
    last = digest;
  }
}

function passes(check: (blob: Buffer) => void, blob: Buffer): boolean {
  try {
    check(blob);
    return true;
  } catch (error) {
    if (isSallyportError(error)) return false;
    throw error;
  }
}

function readerOf(bytes: Buffer): WireReader {
  return new WireReader(bytes, 'krl_malformed', 'revocation list');
}
