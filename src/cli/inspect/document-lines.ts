/** Keys, revocation lists and signatures for a person. */
import { printable } from '../printable.ts';
import { fromNow } from '../times.ts';
import { certificateLines, type Page } from './certificate-text.ts';
import type {
  FoundDocument,
  KrlDocument,
  KrlSectionDocument,
  PublicKeyDocument,
  SignatureDocument,
  UnreadableDocument,
} from './documents.ts';
import { keyText } from './key-text.ts';
import { exactMoment } from './moment.ts';
import { placeRows } from './place-rows.ts';
import { blockLines, type Row } from './text-block.ts';

export function documentLines(document: FoundDocument, page: Page): string[] {
  switch (document.kind) {
    case 'certificate':
      return certificateLines(document, page);
    case 'public_key':
      return publicKeyLines(document, page);
    case 'krl':
      return krlLines(document, page);
    case 'signature':
      return signatureLines(document, page);
    case 'unreadable':
      return unreadableLines(document, page);
  }
}

function publicKeyLines(document: PublicKeyDocument, page: Page): string[] {
  const { public_key } = document;
  const problem = public_key.problem === null ? [] : [warning(public_key.problem, page)];
  return block(
    'Public key',
    [...placeRows(document, page), ...keyText('Key', public_key, page), ...problem],
    page,
  );
}

/** So many serials and names of each section are written out; --json has all. */
const mostShown = 12;

function krlLines(document: KrlDocument, page: Page): string[] {
  const { version, generated_at, comment, bytes, sections, keys, sha1, sha256 } = document;
  const made =
    generated_at === null
      ? 'at a time that no calendar has'
      : `${exactMoment(generated_at)}, ${fromNow(generated_at, page.now)}`;
  const others: [string, readonly string[]][] = [
    ['Revoked keys', keys],
    ['Revoked keys by SHA-1', sha1],
    ['Revoked keys by SHA-256', sha256],
  ];
  return [
    ...block(
      'Key revocation list',
      [
        { name: 'Version', text: version },
        { name: 'Made', text: made },
        ...(comment === '' ? [] : [{ name: 'Comment', text: printable(comment) }]),
        { name: 'Size', text: `${bytes} bytes` },
      ],
      page,
    ),
    ...sections.flatMap((section) => ['', ...sectionLines(section, page)]),
    ...others.flatMap(([title, names]) =>
      names.length === 0
        ? []
        : ['', ...block(`${title} (${names.length})`, [{ name: '', text: list(names, ' ') }], page, 0)],
    ),
  ];
}

function sectionLines({ ca, serial_count, serials, key_ids }: KrlSectionDocument, page: Page): string[] {
  const ranges = serials.map(({ from, to }) => (from === to ? from : `${from}-${to}`));
  const rows: Row[] = [
    ...(ca === null ? [] : keyText('CA', ca, page)),
    { name: 'Serials', text: ranges.length === 0 ? 'none' : `${serial_count}: ${list(ranges, ', ')}` },
    ...(key_ids.length === 0 ? [] : [{ name: 'Key IDs', text: list(key_ids.map(quoted), ', ') }]),
  ];
  return block(ca === null ? 'Revoked certificates of any CA' : 'Revoked certificates of one CA', rows, page);
}

function signatureLines(document: SignatureDocument, page: Page): string[] {
  const { namespace, hash_algorithm, signature_algorithm, public_key } = document;
  return block(
    'Detached signature (SSHSIG)',
    [
      ...keyText('Public key', public_key, page),
      { name: 'Namespace', text: quoted(namespace) },
      { name: 'Algorithm', text: `${printable(signature_algorithm)} over ${printable(hash_algorithm)}` },
      {
        name: 'Good?',
        text: 'only the message can tell: ssh-keygen -Y check-novalidate -n NAMESPACE -s FILE < MESSAGE',
      },
    ],
    page,
  );
}

function unreadableLines({ line, problem }: UnreadableDocument, page: Page): string[] {
  const rows = line === null ? [] : [{ name: 'Line', text: String(line) }];
  return block('Not readable', [...rows, { name: 'Why', text: printable(problem) }], page);
}

function warning(problem: string, { terminal }: Page): Row {
  return { name: 'Warning', text: `Sallyport refuses it. ${printable(problem)}`, paint: terminal.bad };
}

function block(title: string, rows: readonly Row[], { terminal, columns }: Page, nameWidth = 10): string[] {
  return [terminal.bold(title), ...blockLines(rows, { indent: 2, nameWidth, columns })];
}

function quoted(text: string): string {
  return `"${printable(text)}"`;
}

function list(items: readonly string[], separator: string): string {
  const more = items.length - mostShown;
  const shown = items.slice(0, mostShown).join(separator);
  return more > 0 ? `${shown} ... and ${more} more (--json has all)` : shown;
}
