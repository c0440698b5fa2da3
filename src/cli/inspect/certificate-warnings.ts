/** What somebody who looks at a certificate should know before they rely on it. Pure. */
import { isSallyportError } from '../../errors/sallyport-error.ts';
import { mostPrincipals } from '../../ssh/certificate.ts';
import { fitsOpenssh, isKnownOption, type OptionList, unpackOption } from '../../ssh/certificate-options.ts';
import { parseCertificate } from '../../ssh/parse-certificate.ts';
import type { CertificateReading, OptionReading } from '../../ssh/read-certificate.ts';
import type { CertificateDocument, Warning } from './documents.ts';
import { textOf } from './text-of.ts';

export interface WarningFacts {
  readonly reading: CertificateReading;
  readonly document: Omit<CertificateDocument, 'warnings'>;
  readonly blob: Buffer;
  /** Why the CA's signature does not count. */
  readonly signatureProblem: string | null;
}

const longLifeSeconds = 31n * 24n * 3600n;

type Check = (facts: WarningFacts) => string | false | null | undefined;

/** Each gives the warning's text, or nothing. A code never changes its meaning. */
const checks: Readonly<Record<string, Check>> = {
  signature_invalid: ({ signatureProblem }) =>
    signatureProblem && `${signatureProblem} Nobody should believe anything here.`,
  sha1_signature: ({ document }) =>
    document.signed_by.signature_algorithm === 'ssh-rsa' &&
    'It is signed with SHA-1, which can be forged; OpenSSH refuses it since 8.2. The CA should sign with rsa-sha2-512.',
  key_refused: ({ document }) =>
    document.public_key.problem && `Sallyport refuses its key. ${document.public_key.problem}`,
  ca_key_refused: ({ document }) =>
    document.signed_by.problem && `Sallyport refuses the key of its CA. ${document.signed_by.problem}`,
  signed_by_itself: ({ reading }) =>
    reading.publicKey.equals(reading.caPublicKey) && 'It is signed by the very key that it is for.',
  kind_unknown: ({ document }) =>
    document.purpose === null && 'It is neither for users nor for hosts; nothing accepts it.',
  serial_zero: ({ reading }) =>
    reading.serial === 0n && 'Its serial is 0, which no revocation list can name.',
  no_principals: ({ reading, document }) =>
    reading.principals.length === 0 &&
    (document.purpose === 'host'
      ? 'It names no host: older ssh takes it for every host, 10.3 and newer refuses it.'
      : 'It names no principals: older sshd may take it for everybody, 10.3 and newer refuses it.'),
  too_many_principals: ({ reading }) =>
    reading.principals.length > mostPrincipals &&
    `It names more than ${mostPrincipals} principals; OpenSSH refuses it.`,
  valid_forever: ({ document }) =>
    document.valid_before === null && 'It never expires; only a revocation list can end it.',
  never_valid: ({ document }) =>
    document.validity === 'never_valid' && 'It ends before it starts, so it is never valid.',
  long_life: ({ reading, document }) =>
    document.purpose !== 'host' &&
    document.valid_before !== null &&
    reading.validBefore - reading.validAfter > longLifeSeconds &&
    'It lives for over a month; until its end only a revocation list can stop whoever has the key.',
  unknown_critical_option: ({ reading }) =>
    namesOf(
      reading.criticalOptions.filter(({ name }) => !isKnownOption('critical', textOf(name))),
      (names) => `sshd does not know the critical option ${names}, and so refuses the certificate.`,
    ),
  option_refused: ({ reading }) =>
    namesOf(
      [...misfits('critical', reading.criticalOptions), ...misfits('extension', reading.extensions)],
      (names) => `The content of ${names} is not what OpenSSH expects; it refuses the certificate.`,
    ),
  critical_option_of_host: ({ reading, document }) =>
    document.purpose === 'host' &&
    reading.criticalOptions.length > 0 &&
    'It is for a host and has critical options; ssh refuses it.',
  verify_required_without_security_key: ({ reading, document }) =>
    !document.public_key.type.startsWith('sk-') &&
    reading.criticalOptions.some(({ name }) => textOf(name) === 'verify-required') &&
    'verify-required is for security keys, and this key is none: sshd ignores it. It is no proof of anything.',
  source_address_any: ({ document }) =>
    document.critical_options.some(
      ({ name, value }) => name === 'source-address' && /\/0+(,|$)/.test(value ?? ''),
    ) && 'Its source-address allows every address, so it restricts nothing.',
  control_characters: ({ reading, document }) =>
    [document.key_id, ...reading.principals.map(textOf)].some((text) => /\p{C}/u.test(text)) &&
    "Its names hold control characters, which can forge lines in sshd's log.",
  claims_unreadable: ({ document }) => {
    const isRead = (word: string) => (word === 'claims' ? document.claims : document.mfa) !== null;
    const unread = document.extensions.find(({ name }) => {
      const [, word = ''] = /^(claims|mfa)@./.exec(name) ?? [];
      return word !== '' && !isRead(word);
    });
    return unread && `Its extension ${unread.name} is not the JSON that it should be; companions refuse it.`;
  },
  claims_differ: ({ document }) => {
    const { claims, account, session_id } = document;
    const differ = claims && (claims.fields['sub'] !== account || claims.fields['sid'] !== session_id);
    return differ && 'Its claims name another account or session than its key ID; companions refuse it.';
  },
  refused_here: ({ blob }) => {
    const reason = strictRefusal(blob);
    return reason && `Sallyport would refuse it: ${reason}`;
  },
};

export const warningCodes: readonly string[] = Object.keys(checks);

/** Reasons that make `refused_here` say nothing new. */
const sayItAll = [
  'sha1_signature',
  'key_refused',
  'ca_key_refused',
  'kind_unknown',
  'too_many_principals',
  'option_refused',
  'control_characters',
];

export function certificateWarnings(facts: WarningFacts): Warning[] {
  const found = Object.entries(checks).flatMap(([code, check]) => {
    const message = check(facts);
    return message ? [{ code, message }] : [];
  });
  const isSaid = found.some(({ code }) => sayItAll.includes(code));
  return isSaid ? found.filter(({ code }) => code !== 'refused_here') : found;
}

function misfits(list: OptionList, options: readonly OptionReading[]): OptionReading[] {
  return options.filter(({ name, data }) => !fitsOpenssh(list, unpackOption(textOf(name), data)));
}

function namesOf(options: readonly OptionReading[], sentence: (names: string) => string): string | false {
  return options.length > 0 && sentence(options.map(({ name }) => textOf(name)).join(', '));
}

function strictRefusal(blob: Buffer): string | null {
  try {
    parseCertificate(blob);
    return null;
  } catch (error) {
    if (isSallyportError(error)) return error.message;
    throw error;
  }
}
