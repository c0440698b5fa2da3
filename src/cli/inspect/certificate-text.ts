/** A decoded certificate for a person. Everything that was in the file is printable ASCII here. */
import { printable } from '../printable.ts';
import type { Terminal } from '../terminal.ts';
import { fromNow, spanText } from '../times.ts';
import type { CertificateDocument, ClaimsDocument, OptionDocument } from './documents.ts';
import { keyText } from './key-text.ts';
import { claimMeanings, methodMeanings, mfaMeanings, modeMeanings } from './meanings.ts';
import { exactMoment, isCalendarSeconds } from './moment.ts';
import { placeRows } from './place-rows.ts';
import { blockLines, type Row, wrapped } from './text-block.ts';

export interface Page {
  readonly terminal: Terminal;
  readonly now: Date;
  readonly columns: number;
  readonly md5: boolean;
  /** Whether the file holds more than this: then it matters where something stands. */
  readonly showsLines: boolean;
}

const kinds: Readonly<Record<NonNullable<CertificateDocument['purpose']>, string>> = {
  user: 'User certificate',
  host: 'Host certificate',
  hop: 'Hop certificate: a user certificate for the second leg of one connection',
  canary: 'Canary certificate: revoked by every list of its CA',
};

export function certificateLines(document: CertificateDocument, page: Page): string[] {
  const { columns } = page;
  const { principals, critical_options, extensions, claims, mfa, warnings } = document;
  const decoded = [claims && `claims@${claims.domain}`, mfa && `mfa@${mfa.domain}`].filter(
    (name) => name !== null,
  );
  const names = principals.map(({ name, meaning }) => ({ name: shownName(name), text: meaning }));
  return [
    ...title(headline(document), page),
    ...blockLines(factRows(document, page), { indent: 2, nameWidth: 10, columns }),
    ...listed('Principals', names, page),
    ...listed('Critical options', optionRows(critical_options, refusedUnknown), page),
    ...listed('Extensions', optionRows(extensions, ignoredUnknown, decoded), page),
    ...(claims
      ? section(`Claims of ${informative(claims)}`, claimRows(claims, claimMeanings, page), page)
      : []),
    ...(mfa ? section(`MFA facts of ${informative(mfa)}`, claimRows(mfa, mfaMeanings, page), page) : []),
    ...warningLines(warnings, page),
  ];
}

/** sshd ignores extensions that it does not know; a companion may go by them. */
function informative({ domain }: ClaimsDocument): string {
  return `${shown(domain)}, for information`;
}

function headline({ purpose, account }: CertificateDocument): string {
  if (purpose === null) return 'Certificate of an unknown kind';
  return purpose === 'user' && account !== null ? `${kinds.user} of ${account}` : kinds[purpose];
}

const refusedUnknown = 'not known: sshd refuses the certificate';
const ignoredUnknown = 'not known: sshd ignores it';

function factRows(document: CertificateDocument, page: Page): Row[] {
  const { public_key, signed_by, key_id, account, session_id } = document;
  const { terminal } = page;
  const ids: Row[] =
    account === null || session_id === null
      ? []
      : [
          { name: '  account', text: account },
          { name: '  session', text: session_id },
        ];
  return [
    ...placeRows(document, page),
    { name: 'Type', text: shown(document.type) },
    ...keyText('Public key', public_key, page),
    ...keyText('Signed by', signed_by, page),
    signed_by.signature_valid
      ? { name: '  signature', text: `good (${shown(signed_by.signature_algorithm)})`, paint: terminal.good }
      : {
          name: '  signature',
          text: `NOT GOOD (${shown(signed_by.signature_algorithm)})`,
          paint: terminal.bad,
        },
    { name: 'Key ID', text: key_id === '' ? 'empty' : shown(key_id) },
    ...ids,
    { name: 'Serial', text: document.serial },
    ...validityRows(document, page),
  ];
}

function validityRows({ validity, valid_after, valid_before }: CertificateDocument, page: Page): Row[] {
  const { terminal, now } = page;
  const nowSeconds = Math.floor(now.getTime() / 1000);
  const after = valid_after ?? 0;
  const texts = {
    valid: valid_before === null ? 'forever' : `for ${spanText(valid_before - nowSeconds)} more`,
    expired: `expired ${fromNow(valid_before ?? 0, now)}`,
    not_yet_valid: `not yet, but ${fromNow(after, now)}`,
    never_valid: 'never: it ends before it starts',
  };
  return [
    { name: 'Valid', text: texts[validity], paint: validity === 'valid' ? terminal.good : terminal.bad },
    { name: '  from', text: valid_after === null ? 'always' : exactMoment(valid_after) },
    { name: '  until', text: valid_before === null ? 'forever' : exactMoment(valid_before) },
  ];
}

/** @param decoded names of extensions that are shown in a section of their own */
function optionRows(
  options: readonly OptionDocument[],
  unknown: string,
  decoded: readonly string[] = [],
): Row[] {
  return options.map(({ name, value, data, meaning }) => {
    const what = meaning ?? unknown;
    if (decoded.includes(name)) return { name: shownName(name), text: `${what}: below` };
    const content = value === null ? `hex ${data}` : shown(value);
    return { name: shownName(name), text: content === '' ? what : `${content} (${what})` };
  });
}

/** Names whose values explain themselves. */
const selfExplaining = new Set(['amr', 'methods', 'auth_time', 'time', 'mode']);

function claimRows({ fields }: ClaimsDocument, meanings: ReadonlyMap<string, string>, page: Page): Row[] {
  return Object.entries(fields).map(([name, value]) => {
    const text = claimText(name, value, page);
    const meaning = meanings.get(name) ?? 'not known here';
    return { name: shownName(name), text: selfExplaining.has(name) ? text : `${text} (${meaning})` };
  });
}

function claimText(name: string, value: unknown, { now }: Page): string {
  if ((name === 'auth_time' || name === 'time') && isCalendarSeconds(value))
    return `${exactMoment(value)}, ${fromNow(value, now)}`;
  if ((name === 'amr' || name === 'methods') && Array.isArray(value)) {
    return value.map((method) => explained(method, methodMeanings)).join(', ') || 'none';
  }
  if (name === 'mode') return explained(value, modeMeanings);
  return value === null ? 'none' : asText(value);
}

function explained(value: unknown, meanings: ReadonlyMap<string, string>): string {
  const meaning = typeof value === 'string' ? meanings.get(value) : undefined;
  return meaning === undefined ? asText(value) : `${asText(value)} (${meaning})`;
}

function asText(value: unknown): string {
  return shown(typeof value === 'string' ? value : JSON.stringify(value));
}

function listed(name: string, rows: readonly Row[], page: Page): string[] {
  if (rows.length === 0) return ['', `${page.terminal.bold(name)}: none`];
  return section(`${name} (${rows.length})`, rows, page);
}

function section(heading: string, rows: readonly Row[], page: Page): string[] {
  const { columns } = page;
  return ['', ...title(heading, page), ...blockLines(rows, { indent: 2, nameWidth: 10, columns })];
}

function title(text: string, { terminal, columns }: Page): string[] {
  return wrapped(text, columns).map(terminal.bold);
}

function warningLines(warnings: CertificateDocument['warnings'], { terminal, columns }: Page): string[] {
  if (warnings.length === 0) return [];
  const lines = warnings.flatMap(({ message }) =>
    wrapped(shown(message), columns - 4).map((line, index) => `${index === 0 ? '  ! ' : '    '}${line}`),
  );
  return ['', terminal.bad(`Warnings (${warnings.length})`), ...lines];
}

const shown = printable;

/** A name has a line to itself where it is long, and with blanks in it could look like another row there. */
function shownName(name: string): string {
  return printable(name).replaceAll(' ', '\\u{20}');
}
