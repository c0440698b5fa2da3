import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { readPublicKeyFile } from '../../src/ssh/read-key-file.ts';
import { issue, userFields } from './sample-certificate.ts';
import { keysOfEveryType, plainKey } from './sample-keys.ts';

const keys = keysOfEveryType();
const ed25519 = generateKeyPairSync('ed25519');
const rsa = generateKeyPairSync('rsa', { modulusLength: 3072 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' });

const read = (text: string | Uint8Array) =>
  readPublicKeyFile(typeof text === 'string' ? Buffer.from(text, 'utf8') : text);

/** The code with which a file was refused. */
async function codeOfReading(file: string | Uint8Array): Promise<string> {
  return await read(file).then(
    () => 'nothing was refused',
    (error: { code: string }) => error.code,
  );
}

function pem(key: KeyObject, form: 'spki' | 'pkcs1' = 'spki'): string {
  return `${form === 'spki' ? key.export({ format: 'pem', type: form }) : key.export({ format: 'pem', type: form })}`;
}

function rfc4716(blob: Buffer, headers = ''): string {
  const body = blob.toString('base64').match(/.{1,70}/g) ?? [];
  return `---- BEGIN SSH2 PUBLIC KEY ----\n${headers}${body.join('\n')}\n---- END SSH2 PUBLIC KEY ----\n`;
}

describe('a public key file', () => {
  test.each(keys.map((key) => [key.type, key] as const))(
    'with a key of type %s is read',
    async (type, { blob }) => {
      const key = { type, blob, comment: '' };
      expect(await read(`${publicKeyLine({ blob })}\n`)).toEqual(key);
      expect(await read(rfc4716(blob))).toEqual(key);
      expect(await read(blob)).toEqual(key);
    },
  );

  test.each([
    ['PKCS #8 of Ed25519', pem(ed25519.publicKey), ed25519.privateKey],
    ['PKCS #8 of RSA', pem(rsa.publicKey), rsa.privateKey],
    ['PKCS #8 of ECDSA', pem(ec.publicKey), ec.privateKey],
    ['PKCS #1', pem(rsa.publicKey, 'pkcs1'), rsa.privateKey],
    [
      'PKCS #1 with the line ends of Windows',
      pem(rsa.publicKey, 'pkcs1').replaceAll('\n', '\r\n'),
      rsa.privateKey,
    ],
  ])('in the form of %s is read', async (_, text, privateKey) => {
    expect((await read(text)).blob.equals(plainKey(privateKey).blob)).toBe(true);
  });

  test('keeps its comment', async () => {
    const { blob } = plainKey(ed25519.privateKey);
    const headers = 'Subject: alice\nComment: "alice@\\\nlaptop"\nx-other: 1\n';
    expect((await read(rfc4716(blob, headers))).comment).toBe('alice@laptop');
    expect((await read(publicKeyLine({ blob, comment: 'alice' }))).comment).toBe('alice');
  });

  test.each([
    ['RSA of 2,048 bits', generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey],
    ['DSA', generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).publicKey],
  ])('is held to the same rules as a line: %s', async (_, key) => {
    expect(['key_weak', 'key_type_refused']).toContain(await codeOfReading(pem(key)));
  });

  test('with a certificate is no public key', async () => {
    expect(await codeOfReading(issue(userFields))).toBe('key_is_certificate');
    expect(await codeOfReading(rfc4716(issue(userFields)))).toBe('key_is_certificate');
  });

  const twoKeys = rfc4716(plainKey(ec.privateKey).blob) + rfc4716(plainKey(ed25519.privateKey).blob);
  test.each([
    ['nothing', ''],
    ['prose', 'The quick brown fox\n'],
    ['two keys', twoKeys],
    ['two keys in PEM', `${pem(ec.publicKey)}${pem(ed25519.publicKey)}`],
    ['a key in PEM and more', `${pem(ec.publicKey)}and more\n`],
    ['a PEM body that is no key', '-----BEGIN PUBLIC KEY-----\naGVsbG8=\n-----END PUBLIC KEY-----\n'],
    ['a PEM body that is no base64', '-----BEGIN PUBLIC KEY-----\n!!!\n-----END PUBLIC KEY-----\n'],
    ['PEM without an end', '-----BEGIN PUBLIC KEY-----\naGVsbG8=\n'],
    ['an X.509 certificate', '-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n'],
    ['a key on an unknown curve', pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey)],
    ['a bit of PuTTY', 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n'],
    ['a DNS record that is no key', 'example.org. IN KEY 1 2 3 !!!\n'],
    ['a line in UTF-16', Buffer.from(publicKeyLine({ blob: plainKey(ec.privateKey).blob }), 'utf16le')],
    ['a megabyte', 'x'.repeat(2 ** 20)],
  ])('that holds %s is malformed', async (_, content) => {
    expect(await codeOfReading(content)).toBe('key_malformed');
  });

  test('with bytes after the key in RFC 4716 form is malformed', async () => {
    const longer = Buffer.concat([plainKey(ed25519.privateKey).blob, Buffer.alloc(1)]);
    expect(await codeOfReading(rfc4716(longer))).toBe('key_malformed');
  });
});

test('[abuse 37] a private key in any form is named as such, and nothing of it is repeated', async () => {
  const cipher = { cipher: 'aes-256-cbc', passphrase: 'x' } as const;
  const files = [
    ed25519.privateKey.export({ format: 'pem', type: 'pkcs8' }),
    ed25519.privateKey.export({ format: 'pem', type: 'pkcs8', ...cipher }),
    rsa.privateKey.export({ format: 'pem', type: 'pkcs1' }),
    rsa.privateKey.export({ format: 'pem', type: 'pkcs1', ...cipher }),
    ec.privateKey.export({ format: 'pem', type: 'sec1' }),
    `${pem(rsa.publicKey)}${rsa.privateKey.export({ format: 'pem', type: 'pkcs1' })}`,
    'Private-key-format: v1.2\nAlgorithm: 8 (RSASHA256)\nModulus: c2VjcmV0\n',
    'PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nComment: x\nPublic-Lines: 0\nPrivate-Lines: 1\nc2VjcmV0\n',
    'PuTTY-User-Key-File-1: ssh-rsa\nc2VjcmV0\n',
    'ssh-ed25519 b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ',
  ].map(String);
  for (const file of files) {
    const refusal = await read(file).then(
      () => undefined,
      (error: unknown) => error as { code: string; message: string; detail?: string },
    );
    expect(refusal?.code).toBe('key_is_private');
    const said = `${refusal?.message} ${refusal?.detail}`;
    for (const secret of file.split('\n').filter((line) => /^[A-Za-z0-9+/=]{8,}$/.test(line))) {
      expect(said).not.toContain(secret.slice(0, 8));
    }
  }
});
