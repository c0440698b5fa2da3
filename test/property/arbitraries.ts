/** What the formats can hold, in all its variety. */
import fc from 'fast-check';
import type { CertificateFields, CertificateOption } from '../../src/ssh/certificate.ts';
import { unpackOption } from '../../src/ssh/certificate-options.ts';
import { isSecurityKey } from '../../src/ssh/key-types.ts';
import { isHostName, isPrincipal } from '../../src/ssh/names.ts';
import { keysOfEveryType, type TypedKey } from '../ssh/sample-keys.ts';

export const keys = keysOfEveryType();
export const largestU64 = 2n ** 64n - 1n;
const largestDate = 2n ** 63n - 2n;

export const anyKey: fc.Arbitrary<TypedKey> = fc.constantFrom(...keys);

export function textOf(alphabet: string, length: { min: number; max: number }): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...alphabet), minLength: length.min, maxLength: length.max });
}

/** Printable, with letters of every script and characters of several code points. */
export const printable: fc.Arbitrary<string> = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
  .filter((text) => !/\p{C}/u.test(text));

/** As a comment of a line can be read back: words with one blank between them. */
export const comment: fc.Arbitrary<string> = fc
  .array(
    printable.map((text) => text.replace(/\s/g, '-')).filter((word) => !word.includes('-cert-')),
    { maxLength: 3 },
  )
  .map((words) => words.join(' '));

/** Small ones, neighbours and the ends of the range, more often than chance would give. */
export const serial: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt(1n, largestU64),
  fc.bigInt(1n, 70n),
  fc.constantFrom(1n, 2n ** 53n + 1n, 2n ** 63n, largestU64),
);

const nameLetters = 'abcdefghijklmnopqrstuvwxyz0123456789_-+.';
export const hostName: fc.Arbitrary<string> = fc
  .array(textOf('abcdefghijklmnopqrstuvwxyz0123456789-', { min: 1, max: 20 }), { minLength: 2, maxLength: 4 })
  .map((labels) => labels.join('.'))
  .filter(isHostName);
export const accountName: fc.Arbitrary<string> = fc
  .tuple(textOf(nameLetters, { min: 1, max: 20 }), hostName)
  .map(([local, domain]) => `${local}@${domain}`)
  .filter((name) => isPrincipal(name) && name.length <= 91);
export const sessionId: fc.Arbitrary<string> = fc.oneof(
  fc.uuid(),
  textOf('abcdef0123456789_-', { min: 1, max: 30 }).filter((text) => /^[a-z0-9]/.test(text)),
);

const ipv4: fc.Arbitrary<string> = fc
  .tuple(fc.bigInt(0n, 2n ** 32n - 1n), fc.integer({ min: 1, max: 32 }), fc.boolean())
  .map(([value, length, isShort]) => {
    const network = cutTo(value, length, 32);
    const bytes = [24n, 16n, 8n, 0n].map((shift) => (network >> shift) & 0xffn);
    return `${bytes.join('.')}${isShort && length === 32 ? '' : `/${length}`}`;
  });
const ipv6: fc.Arbitrary<string> = fc
  .tuple(fc.bigInt(0n, 2n ** 128n - 1n), fc.integer({ min: 1, max: 128 }), fc.boolean())
  .map(([value, length, isShort]) => {
    const network = cutTo(value, length, 128);
    const groups = Array.from({ length: 8 }, (_, index) =>
      ((network >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
    ).join(':');
    return `${isShort ? groups.replace(/(^|:)0(:0)+$/, '::') : groups}/${length}`;
  })
  .filter((text) => !text.startsWith('0:0:0:0:0:'));
function cutTo(value: bigint, length: number, bits: number): bigint {
  const hostBits = BigInt(bits - length);
  return (value >> hostBits) << hostBits;
}

export const sourceAddresses: fc.Arbitrary<string> = fc
  .uniqueArray(fc.oneof(ipv4, ipv6), {
    minLength: 1,
    maxLength: 5,
    selector: oneSpelling,
  })
  .map((entries) => entries.join(','));

/** The same network of IPv6 can be written in many ways. */
function oneSpelling(entry: string): string {
  const [address = '', length] = entry.replace(/\/(32|128)$/, '').split('/');
  const host = address.includes(':') ? new URL(`http://[${address}]/`).hostname : address;
  return `${host}/${length}`;
}

const flags = [
  'permit-X11-forwarding',
  'permit-agent-forwarding',
  'permit-port-forwarding',
  'permit-pty',
  'permit-user-rc',
];

function options(known: readonly fc.Arbitrary<CertificateOption>[]): fc.Arbitrary<CertificateOption[]> {
  const name = textOf('abcXYZ-_.', { min: 1, max: 12 }).map((word) => `${word}@example.org`);
  const withValue = fc.record({ name, value: fc.oneof(printable, fc.constant('')) });
  const withData = fc
    .record({ name, data: bytes(1, 20) })
    .filter(({ name, data }) => unpackOption(name, data).data !== undefined);
  return fc.uniqueArray(fc.oneof(...known, withValue, withData), {
    maxLength: 6,
    selector: (option) => option.name,
  });
}

export function bytes(min: number, max: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ minLength: min, maxLength: max }).map((array) => Buffer.from(array));
}

const extensions = options([fc.constantFrom(...flags).map((name) => ({ name, value: '' }))]);
const criticalOptions = options([
  printable.map((value) => ({ name: 'force-command', value })),
  sourceAddresses.map((value) => ({ name: 'source-address', value })),
]);

/** Fields for a key of any type by a CA of any type, and the CA. */
export const certificate: fc.Arbitrary<{ fields: CertificateFields; ca: TypedKey }> = fc
  .record({
    subject: anyKey,
    ca: anyKey,
    isVerified: fc.boolean(),
    dates: fc.uniqueArray(fc.bigInt(0n, largestDate), { minLength: 2, maxLength: 2 }),
    fields: fc.record({
      kind: fc.constantFrom('user' as const, 'host' as const),
      nonce: bytes(32, 32),
      serial,
      keyId: fc.tuple(accountName, sessionId).map((parts) => parts.join('/').slice(0, 128)),
      principals: fc.uniqueArray(fc.oneof(accountName, hostName), { minLength: 1, maxLength: 6 }),
      criticalOptions,
      extensions,
    }),
  })
  .map(({ subject, ca, isVerified, dates, fields }) => {
    const [validAfter = 0n, validBefore = 1n] = dates.sort((a, b) => (a < b ? -1 : 1));
    const touched = isVerified && isSecurityKey(subject.type) ? [{ name: 'verify-required', value: '' }] : [];
    const critical = [...fields.criticalOptions, ...touched];
    return {
      ca,
      fields: {
        ...fields,
        criticalOptions: critical,
        validAfter,
        validBefore,
        publicKey: subject.blob,
        caPublicKey: ca.blob,
      },
    };
  });
