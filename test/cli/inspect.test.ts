import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { warningCodes } from '../../src/cli/inspect/certificate-warnings.ts';
import type {
  CertificateDocument,
  FoundDocument,
  InspectDocument,
  KrlDocument,
} from '../../src/cli/inspect/documents.ts';
import type { CertificateFields } from '../../src/ssh/certificate.ts';
import { assembleCertificate, certificateLine } from '../../src/ssh/encode-certificate.ts';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { WireWriter } from '../../src/ssh/wire.ts';
import { describeWithSshKeygen, sshKeygenOutput, temporaryFolder } from '../interop/ssh-keygen.ts';
import {
  ca,
  hostFields,
  issue,
  keyFromByte,
  now,
  packed,
  type RawFields,
  rawCertificate,
  rawToBeSigned,
  subject,
  userFields,
} from '../ssh/sample-certificate.ts';
import { Person, type RunOptions, run, type SallyResult, sallyEntry } from './person.ts';
import { ServerDouble } from './server-double.ts';

const account = 'alice@example.org';
const sessionId = '0190b3c4-aaaa-7bbb-8ccc-000000000001';
const claims = {
  v: 1,
  sub: account,
  org: 'example',
  amr: ['pwd', 'otp'],
  acr: null,
  auth_time: Number(now) - 300,
  sid: sessionId,
  mode: 'interactive',
};
const mfa = { v: 1, methods: ['pwd', 'otp'], by: 'https://login.example.org', time: Number(now) - 60 };
const person: CertificateFields = {
  ...userFields,
  keyId: `${account}/${sessionId}`,
  serial: 2n ** 60n + 7n,
  extensions: [
    { name: 'claims@ca.example.org', value: JSON.stringify(claims) },
    { name: 'mfa@ca.example.org', value: JSON.stringify(mfa) },
    { name: 'permit-pty', value: '' },
  ],
};

const folder = temporaryFolder();
let alice: Person;
let zone: string | undefined;
beforeAll(() => {
  zone = process.env['TZ'];
  process.env['TZ'] = 'UTC';
});
afterAll(() => {
  if (zone === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zone;
});
beforeAll(() => {
  alice = new Person();
});
afterAll(() => alice.remove());

const clock = (seconds = 0) => new Date(Number(now) * 1000 + seconds * 1000);

async function inspect(args: readonly string[], options: RunOptions = {}): Promise<SallyResult> {
  return await alice.sally(['inspect', ...args], { now: () => clock(), ...options });
}

async function inspectBytes(bytes: string | Uint8Array, ...args: string[]): Promise<SallyResult> {
  return await inspect([...args, '-'], { stdin: Readable.from([Buffer.from(bytes)]) });
}

async function found(bytes: string | Uint8Array): Promise<readonly FoundDocument[]> {
  const document: InspectDocument = JSON.parse((await inspectBytes(bytes, '--json')).stdout);
  return document.found;
}

async function certificateIn(bytes: string | Uint8Array): Promise<CertificateDocument> {
  const [first, ...more] = await found(bytes);
  if (first?.kind !== 'certificate' || more.length > 0) throw new Error('expected one certificate');
  return first;
}

describe('sally inspect of a certificate', () => {
  test('shows every field in 80 columns', async () => {
    const { code, stdout } = await inspectBytes(`${certificateLine(issue(person), 'laptop')}\n`);
    expect(code).toBe(0);
    expect(stdout).toBe(`User certificate of alice@example.org
  Comment      laptop
  Type         ssh-ed25519-cert-v01@openssh.com
  Public key   ED25519 SHA256:4A9jyZBOhnKZvcGQ6TRFbf5Gymb41AfYvYaVmWHD+G4
  Signed by    ED25519 SHA256:fe85JkIjo8VPe+XqXJGH5Mau1EMFdK1OdKvJUFicyA8
    signature  good (ssh-ed25519)
  Key ID       alice@example.org/0190b3c4-aaaa-7bbb-8ccc-000000000001
    account    alice@example.org
    session    0190b3c4-aaaa-7bbb-8ccc-000000000001
  Serial       1152921504606846983
  Valid        for 1 h more
    from       2027-01-15 07:59:00 UTC
    until      2027-01-15 09:00:00 UTC

Principals (2)
  alice@example.org      the account
  mfa:alice@example.org  the account, and its login counts as MFA

Critical options (1)
  source-address  192.0.2.0/24,2001:db8::/32 (only from these addresses)

Extensions (3)
  claims@ca.example.org  who logged in and how: below
  mfa@ca.example.org     factors of the login and who vouches: below
  permit-pty             a terminal

Claims of ca.example.org, for information
  v           1 (version of this format)
  sub         alice@example.org (the account)
  org         example (its organization)
  amr         pwd (password), otp (one-time code)
  acr         none (what the identity provider calls this kind of login)
  auth_time   2027-01-15 07:55:00 UTC, 5 min ago
  sid         0190b3c4-aaaa-7bbb-8ccc-000000000001 (the login session)
  mode        interactive (a person who logged in)

MFA facts of ca.example.org, for information
  v           1 (version of this format)
  methods     pwd (password), otp (one-time code)
  by          https://login.example.org (who vouches: the identity provider, or
              the server for a passkey)
  time        2027-01-15 07:59:00 UTC, 1 min ago
`);
  });

  test('--json has stable names and decoded values', async () => {
    const document = await certificateIn(certificateLine(issue(person), 'laptop'));
    const key = { type: 'ssh-ed25519', label: 'ED25519', bits: 256, problem: null };
    expect(document).toEqual({
      kind: 'certificate',
      line: 1,
      before: null,
      comment: 'laptop',
      purpose: 'user',
      type: 'ssh-ed25519-cert-v01@openssh.com',
      public_key: {
        ...key,
        fingerprint_sha256: 'SHA256:4A9jyZBOhnKZvcGQ6TRFbf5Gymb41AfYvYaVmWHD+G4',
        fingerprint_md5: expect.stringMatching(/^MD5:([0-9a-f]{2}:){15}[0-9a-f]{2}$/),
      },
      signed_by: {
        ...key,
        fingerprint_sha256: 'SHA256:fe85JkIjo8VPe+XqXJGH5Mau1EMFdK1OdKvJUFicyA8',
        fingerprint_md5: expect.any(String),
        signature_algorithm: 'ssh-ed25519',
        signature_valid: true,
      },
      key_id: `${account}/${sessionId}`,
      account,
      session_id: sessionId,
      serial: '1152921504606846983',
      valid_after: Number(now) - 60,
      valid_before: Number(now) + 3600,
      validity: 'valid',
      principals: [
        { name: account, meaning: 'the account' },
        { name: `mfa:${account}`, meaning: 'the account, and its login counts as MFA' },
      ],
      critical_options: [
        {
          name: 'source-address',
          value: '192.0.2.0/24,2001:db8::/32',
          data: packed('192.0.2.0/24,2001:db8::/32').toString('hex'),
          meaning: 'only from these addresses',
        },
      ],
      extensions: [
        expect.objectContaining({ name: 'claims@ca.example.org', value: JSON.stringify(claims) }),
        expect.objectContaining({ name: 'mfa@ca.example.org' }),
        { name: 'permit-pty', value: '', data: '', meaning: 'a terminal' },
      ],
      claims: { domain: 'ca.example.org', fields: claims },
      mfa: { domain: 'ca.example.org', fields: mfa },
      warnings: [],
    });
  });

  test.each([
    ['user', person],
    ['host', hostFields],
    ['hop', { ...person, principals: ['hop:web-1'] }],
    ['canary', { ...userFields, keyId: 'canary/3', principals: ['canary:never'] }],
  ] as const)('knows the purpose of a %s certificate', async (purpose, fields) => {
    expect((await certificateIn(certificateLine(issue(fields)))).purpose).toBe(purpose);
  });

  const hour = { validAfter: now, validBefore: now + 3600n };
  test.each([
    ['valid', 'for 43 min more', hour, 17 * 60],
    ['expired', 'expired 2 h ago', hour, 3 * 3600],
    ['expired', 'expired now', hour, 3600],
    ['not_yet_valid', 'not yet, but in 5 min', hour, -300],
    ['never_valid', 'never: it ends before it starts', { validAfter: now, validBefore: now - 1n }, 0],
    ['valid', 'forever', { validAfter: 0n, validBefore: 2n ** 64n - 1n }, 0],
  ])('%s: %s', async (validity, words, times, later) => {
    const line = certificateLine(rawCertificate(times));
    const at = { now: () => clock(later), stdin: Readable.from([Buffer.from(line)]) };
    expect((await inspect(['-'], at)).stdout).toMatch(new RegExp(`^  Valid +${words}$`, 'm'));
    const json = { now: () => clock(later), stdin: Readable.from([Buffer.from(line)]) };
    expect(JSON.parse((await inspect(['--json', '-'], json)).stdout).found[0].validity).toBe(validity);
  });

  test('gives times in the local zone and in UTC', async () => {
    process.env['TZ'] = 'Asia/Kolkata';
    const { stdout } = await inspectBytes(certificateLine(issue(person)));
    process.env['TZ'] = 'UTC';
    expect(stdout).toContain('until      2027-01-15 14:30:00 +05:30 (09:00:00 UTC)');
  });

  test('is colored on a terminal only, and never with NO_COLOR', async () => {
    const line = certificateLine(issue(person));
    const output = async (environment: Record<string, unknown>) =>
      (await inspect(['-'], { environment, stdin: Readable.from([Buffer.from(line)]) })).stdout;
    expect(await output({ isTerminal: true })).toContain('\u001b[1mUser certificate');
    expect(await output({ isTerminal: true, noColor: true })).not.toContain('\u001b');
  });
});

describe('a warning', () => {
  const raw = (change: Partial<RawFields>) => rawCertificate(change);
  const otherSigner = (change: Partial<RawFields>) => {
    const toBeSigned = rawToBeSigned(change);
    return assembleCertificate(toBeSigned, signWithKey(keyFromByte(9).privateKey, toBeSigned));
  };
  const rsa = (bits: number) => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: bits });
    return { privateKey, blob: publicKeyBlobOfWeak(privateKey) };
  };
  const sha1 = () => {
    const toBeSigned = rawToBeSigned({ ca: rsa(3072).blob });
    const blob = new WireWriter().string('ssh-rsa').string(Buffer.alloc(384, 1)).bytes();
    return new WireWriter().raw(toBeSigned).string(blob).bytes();
  };
  const many = Array.from({ length: 257 }, (_, index) => `p${index}`);
  const of = (name: string, value?: string) =>
    [name, value === undefined ? Buffer.alloc(0) : packed(value)] as const;

  const cases: readonly (readonly [string, () => Buffer])[] = [
    ['signature_invalid', () => otherSigner({})],
    ['sha1_signature', sha1],
    ['key_refused', () => raw({ subject: Buffer.alloc(32, 0xff) })],
    ['ca_key_refused', () => raw({ ca: rsa(2048).blob })],
    ['signed_by_itself', () => raw({ ca: subject.blob })],
    ['kind_unknown', () => raw({ kind: 3 })],
    ['serial_zero', () => raw({ serial: 0n })],
    ['no_principals', () => raw({ principals: [] })],
    ['too_many_principals', () => raw({ principals: many })],
    ['valid_forever', () => raw({ validBefore: 2n ** 64n - 1n })],
    ['never_valid', () => raw({ validBefore: 5n, validAfter: 6n })],
    ['long_life', () => raw({ validBefore: now + 32n * 24n * 3600n })],
    ['unknown_critical_option', () => raw({ criticalOptions: [of('login@elsewhere', 'x')] })],
    ['option_refused', () => raw({ criticalOptions: [of('source-address', '192.0.2.1/24')] })],
    ['critical_option_of_host', () => raw({ kind: 2, criticalOptions: [of('source-address', '192.0.2.1')] })],
    ['verify_required_without_security_key', () => raw({ criticalOptions: [of('verify-required')] })],
    ['source_address_any', () => raw({ criticalOptions: [of('source-address', '0.0.0.0/0')] })],
    ['control_characters', () => raw({ keyId: 'a\nAccepted publickey for root' })],
    ['claims_unreadable', () => raw({ extensions: [of('mfa@ca.example.org', '[1]')] })],
    [
      'claims_differ',
      () => raw({ extensions: [of('claims@ca.example.org', '{"sub":"bob@example.org","sid":"x"}')] }),
    ],
    ['refused_here', () => raw({ reserved: 'x' })],
  ];

  test('is made to appear here for each code that there is', () => {
    expect(cases.map(([code]) => code)).toEqual(warningCodes);
  });

  test.each(cases)('%s is given where it is due, and not for a good certificate', async (code, make) => {
    const line = `${make().toString('base64')}\n`;
    expect((await certificateIn(line)).warnings.map((warning) => warning.code)).toContain(code);
    const good = await certificateIn(certificateLine(issue(person)));
    expect(good.warnings).toEqual([]);
    const text = await inspectBytes(line);
    expect(text.stdout).toMatch(/^Warnings \(\d+\)\n {2}! /m);
    expect(text.code).toBe(
      code === 'signature_invalid' || !(await certificateIn(line)).signed_by.signature_valid ? 6 : 0,
    );
  });
});

describe('text from a file', () => {
  const hostile = '\u001b]0;pwned\u0007\u009b2J\u202e';
  const [unprintable, all] = [/[^\n -~]/, Buffer.from([0xff, 0x1b, 0x9b])];
  const certificate = rawCertificate({
    keyId: hostile,
    principals: [hostile, 'é'],
    criticalOptions: [[hostile, packed(hostile)]],
    extensions: [
      ['claims@x', packed(JSON.stringify({ [hostile]: hostile, mode: hostile, amr: [hostile] }))],
      ['data@x', all],
    ],
  });

  test.each([[[]], [['--json']]])('is printable ASCII, whatever it holds: %s', async (args) => {
    const line = `${certificateLine(certificate)} ${hostile}\n`;
    const { stdout, stderr } = await inspectBytes(line, ...args);
    expect(stdout).toMatch(/1b\W*\]0;pwned/);
    expect(stdout).not.toMatch(unprintable);
    expect(stderr).toBe('');
  });

  test('of data that is no text is shown in hexadecimal', async () => {
    expect((await inspectBytes(certificateLine(certificate))).stdout).toContain('hex ff1b9b');
  });

  test('is wrapped at the width of the terminal', async () => {
    for (const columns of [60, 80, 132]) {
      const stdin = Readable.from([Buffer.from(certificateLine(issue(person)))]);
      const { stdout } = await inspect(['-'], { stdin, environment: { columns } });
      expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(columns);
    }
  });
});

describe('sally inspect finds', () => {
  const line = certificateLine(issue(person), 'a comment');
  const keyLine = publicKeyLine({ type: 'ssh-ed25519', blob: subject.blob, comment: 'key' });
  const authority = publicKeyLine({ type: 'ssh-ed25519', blob: ca.blob, comment: 'CA' });

  test.each([
    ['a certificate line', line, ['certificate 1']],
    ['only the base64 of one, as sshd’s %k has it', line.split(' ')[1] ?? '', ['certificate 1']],
    ['sshd’s $SSH_USER_AUTH', `publickey ${line}\n`, ['certificate 1']],
    ['the bytes of one', issue(person), ['certificate null']],
    ['several lines, as ssh-add -L prints them', `${keyLine}\n${line}\n`, ['public_key 1', 'certificate 2']],
    [
      'authorized_keys',
      `# mine\n\nfrom="192.0.2.1",command="echo \\"a b\\"" ${keyLine}\ncert-authority ${authority}\r\n`,
      ['public_key 3', 'public_key 4'],
    ],
    [
      'known_hosts',
      `@cert-authority *.sallyport ${authority}\n|1|abc=|def= ${keyLine}\n`,
      ['public_key 1', 'public_key 2'],
    ],
    ['a line whose base64 is damaged', line.replace('AAAAIHNzaC', 'AAAA-IHNzaC'), ['unreadable 1']],
    ['what is good among what is not', `${keyLine}\nnonsense\n`, ['public_key 1', 'unreadable 2']],
    [
      'a type that is another inside',
      `ssh-rsa ${keyLine.split(' ')[1]}\n${keyLine}`,
      ['unreadable 1', 'public_key 2'],
    ],
  ])('%s', async (_what, content, expected) => {
    expect((await found(content)).map(({ kind, line: at }) => `${kind} ${at}`)).toEqual(expected);
  });

  test('what stands before a key on its line', async () => {
    const [first] = await found(`from="1.2.3.4 , x",pty ${keyLine}`);
    expect(first).toMatchObject({ before: 'from="1.2.3.4 , x",pty', comment: 'key' });
  });

  test('a key by which node:crypto and RFC 4716 call it', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const [pem] = await found(publicKey.export({ type: 'spki', format: 'pem' }));
    expect(pem).toMatchObject({ kind: 'public_key', public_key: { type: 'ecdsa-sha2-nistp256', bits: 256 } });
  });

  test('the certificate that ssh uses now, where no file is named', async () => {
    const server = new ServerDouble();
    await server.start();
    const bob = new Person();
    await bob.login(server.url);
    await server.stop();
    const { code, stdout } = await bob.sally(['inspect', '--json']);
    expect(code).toBe(0);
    const document: InspectDocument = JSON.parse(stdout);
    expect(document.file).toContain(bob.home);
    expect(document.found[0]).toMatchObject({ kind: 'certificate', account: 'alice@demo.example' });
    bob.remove();
  });

  test('the right words where there is none', async () => {
    expect(await inspect([])).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'sally: There is no certificate of yours here. Run: sally login, or name a file: sally inspect FILE\n',
    });
  });

  test('a revocation list, with its sections and what they name', async () => {
    const bytes = encodeKrl({
      version: 2n ** 60n,
      generatedAt: now,
      comment: 'ca.example.org',
      sections: [
        { kind: 'certificates', caPublicKey: ca.blob, serials: [5n, 6n, 7n, 2n ** 63n], keyIds: ['a/b'] },
        { kind: 'keys', blobs: [subject.blob] },
      ],
    });
    const [krl] = (await found(bytes)) as readonly KrlDocument[];
    expect(krl).toMatchObject({
      kind: 'krl',
      version: '1152921504606846976',
      generated_at: Number(now),
      bytes: bytes.length,
      sections: [
        {
          serial_count: '4',
          serials: [
            { from: '5', to: '7' },
            { from: '9223372036854775808', to: '9223372036854775808' },
          ],
          key_ids: ['a/b'],
        },
      ],
      keys: ['SHA256:4A9jyZBOhnKZvcGQ6TRFbf5Gymb41AfYvYaVmWHD+G4'],
    });
    const { stdout } = await inspectBytes(bytes);
    expect(stdout).toMatch(/^ {2}Serials +4: 5-7, 9223372036854775808$/m);
    expect(stdout).toMatch(/^Revoked keys \(1\)$/m);
  });
});

test("a name with blanks in it can't look like another row", async () => {
  const principal = `${'x'.repeat(78)} ${'Signed by   ED25519 SHA256:trusted'.padEnd(78)}   signature  good`;
  const line = certificateLine(rawCertificate({ principals: [principal] }));
  const { stdout } = await inspectBytes(line);
  expect(stdout.match(/^ *Signed by /gm)).toHaveLength(1);
  expect(stdout).toContain('\\u{20}Signed\\u{20}by');
});

describe('a file that was made to be slow, or too much, to read', () => {
  // In the square of their length each of these takes longer than a test may.
  test.each([
    ['quotes that nothing closes', `"${'\\"'.repeat(400_000)}`],
    ['beginnings of private keys', 'BEGIN '.repeat(200_000)],
    ['one endless word', 'a'.repeat(20_000_000)],
    ['one endless quotation', `"${'a'.repeat(20_000_000)}`],
  ])('is refused for what it is: %s', async (_what, content) => {
    const { code, stderr } = await inspectBytes(content);
    expect({ code, stderr }).toEqual({
      code: 6,
      stderr: expect.stringContaining('is text without a key or certificate in it'),
    });
  });

  test('may hold more options than a function takes arguments', async () => {
    const names = Array.from(
      { length: 200_000 },
      (_, index) => `e${String(index).padStart(6, '0')}@example.org`,
    );
    const blob = issue({ ...person, extensions: names.map((name) => ({ name, value: '' })) });
    expect((await inspectBytes(blob)).stdout).toContain('Extensions (200000)');
  });

  test('as a revocation list whose bitmaps are as long as gigabytes of text', async () => {
    const bitmap = (offset: bigint) => {
      const bits = new WireWriter().u64(offset).string(Buffer.alloc(2048, 0x55)).bytes();
      return new WireWriter().u8(0x22).string(bits).bytes();
    };
    const bitmaps = Array.from({ length: 300 }, (_, index) => bitmap(BigInt(index) * 20_000n + 1n));
    const section = new WireWriter().string('').string('').raw(Buffer.concat(bitmaps)).bytes();
    const empty = { version: 1n, generatedAt: now, comment: '' };
    const small = encodeKrl({
      ...empty,
      sections: [{ kind: 'certificates', caPublicKey: null, serials: [1n] }],
    });
    // The header is all that comes before its first section.
    const header = small.subarray(0, 44);
    const list = new WireWriter().raw(header).u8(1).string(section).bytes();
    const { code, stdout } = await inspectBytes(list);
    expect({ code, stdout }).toEqual({ code: 6, stdout: expect.stringContaining('more bitmaps than') });
  });
});

describeWithSshKeygen('sally inspect and what ssh-keygen makes', () => {
  test('RFC 4716 files, revocation lists and signatures', async () => {
    const key = folder.path('key');
    sshKeygenOutput(['-q', '-t', 'ecdsa', '-b', '384', '-N', '', '-C', 'a "long" comment', '-f', key]);
    const fingerprint = sshKeygenOutput(['-l', '-f', key]).split(' ')[1];
    const md5 = sshKeygenOutput(['-l', '-E', 'md5', '-f', key]).split(' ')[1];
    const expected = {
      public_key: {
        type: 'ecdsa-sha2-nistp384',
        bits: 384,
        fingerprint_sha256: fingerprint,
        fingerprint_md5: md5,
      },
    };
    const [rfc4716] = await found(sshKeygenOutput(['-e', '-m', 'RFC4716', '-f', key]));
    expect(rfc4716).toMatchObject({
      kind: 'public_key',
      comment: expect.stringContaining('ECDSA'),
      ...expected,
    });

    const message = folder.write('message', 'hello');
    sshKeygenOutput(['-q', '-Y', 'sign', '-n', 'file', '-f', key, message]);
    const { code, stdout } = await inspect(['--json', `${message}.sig`]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).found).toMatchObject([
      {
        kind: 'signature',
        namespace: 'file',
        hash_algorithm: 'sha512',
        signature_algorithm: 'ecdsa-sha2-nistp384',
        ...expected,
      },
    ]);
    expect((await inspect([`${message}.sig`])).stdout).toContain('Namespace   "file"');

    const list = folder.path('list');
    sshKeygenOutput(['-q', '-k', '-f', list, '-z', '9', `${key}.pub`]);
    expect((await inspect([list])).stdout).toContain('Version     9');
  });
});

describe('sally inspect refuses', () => {
  const html = '<!DOCTYPE html><html><body>Log in</body></html>';
  const x509 = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
  test.each([
    ['an empty file', '', 'is empty'],
    ['white space', ' \n\t\n', 'holds nothing but white space'],
    ['a web page', html, 'is an HTML or XML page'],
    ['gzip', gzipSync('x'), 'is compressed with gzip'],
    ['JSON', '{"certificate":"x"}', 'is JSON'],
    ['an X.509 certificate', x509, 'is an X.509 certificate'],
    ['UTF-16', Buffer.from(`\ufeff${'ssh-ed25519 AAAA'}`, 'utf16le'), 'is UTF-16 text'],
    ['half a revocation list', 'SSHKRL', 'is the beginning of a key revocation list'],
    ['prose', 'Dear Sir or Madam', 'is text without a key or certificate in it'],
    ['noise', Buffer.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), 'is of no kind that is known here'],
  ])('%s by its name', async (_what, content, expected) => {
    const { code, stdout, stderr } = await inspectBytes(content);
    expect({ code, stdout }).toEqual({ code: 6, stdout: '' });
    expect(stderr).toContain(`sally: standard input ${expected}`);
    expect(stderr).toContain(
      'Expected a certificate, a public key, a key revocation list or an SSH signature.',
    );
  });

  test('a private key, and repeats nothing of it', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const { d = '' } = privateKey.export({ format: 'jwk' });
    const texts = [
      privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
      JSON.stringify(privateKey.export({ format: 'jwk' })),
      `PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n${d}\n`,
      `-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA${d}\n-----END OPENSSH PRIVATE KEY-----\n`,
      `-----BEGIN SALLYPORT ENCRYPTED CA KEY-----\n${d}\n-----END SALLYPORT ENCRYPTED CA KEY-----\n`,
      `ssh-ed25519 AAAA\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n${d}\n`,
    ];
    for (const text of texts) {
      for (const args of [[], ['--json']]) {
        const { code, stdout, stderr } = await inspectBytes(text, ...args);
        expect({ code, stdout }).toEqual({ code: 6, stdout: '' });
        expect(stderr).toMatch(/holds a private key, and nothing of it is shown/);
        for (const word of text.split(/\s+/).filter((each) => each.length > 12))
          expect(stderr).not.toContain(word);
      }
    }
  });

  test('paths that are no file, by what they are', async () => {
    const base = mkdtempSync(join(tmpdir(), 'sally-'));
    writeFileSync(join(base, 'file'), '');
    const messages = [base, join(base, 'absent'), join(base, 'file', 'below'), '/dev/null'].map(
      async (path) => {
        const { code, stderr } = await inspect([path]);
        expect(code).toBe(6);
        return stderr.replace(path, 'PATH');
      },
    );
    expect(await Promise.all(messages)).toEqual([
      'sally: PATH is a folder. Name a file in it.\n',
      'sally: PATH does not exist.\n',
      'sally: PATH does not exist: what should be a folder on the way is a file.\n',
      expect.stringContaining('PATH is empty'),
    ]);
    rmSync(base, { recursive: true });
  });

  test('what never ends, after 32 MiB', async () => {
    const { code, stderr } = await inspect(['/dev/zero']);
    expect(code).toBe(6);
    expect(stderr).toContain('/dev/zero is larger than 32 MiB');
  });

  test('a certificate that is cut anywhere, without an unexpected error', async () => {
    const blob = issue(person);
    for (let length = 4; length < blob.length; length += 7) {
      const { code, stderr, stdout } = await inspectBytes(blob.subarray(0, length).toString('base64'));
      expect(code).toBe(6);
      expect(stdout + stderr).not.toContain('unexpected error');
    }
  });
});

test('a certificate changed in any byte is not shown as good', async () => {
  const blob = issue(person);
  const good = JSON.stringify(await certificateIn(blob.toString('base64')));
  for (let at = 40; at < blob.length; at += 11) {
    const changed = Buffer.from(blob);
    changed[at] = (changed[at] ?? 0) ^ 1;
    const { code, stdout, stderr } = await inspectBytes(changed.toString('base64'));
    expect({ at, code }).toEqual({ at, code: 6 });
    expect(stdout + stderr).not.toContain('unexpected error');
  }
  expect(good).toContain('"signature_valid":true');
});

test('sally inspect loads neither schemas nor a server, and needs no home folder', () => {
  const file = folder.write('alone-cert.pub', `${certificateLine(issue(person))}\n`);
  const hook =
    'import{registerHooks}from"node:module";registerHooks({load(u,c,n){process.stderr.write(u+"\\n");return n(u,c)}})';
  const preload = folder.write('loaded.mjs', hook);
  const { code, stdout, stderr } = run(process.execPath, ['--import', preload, sallyEntry, 'inspect', file], {
    HOME: '',
  });
  expect(code).toBe(0);
  expect(stdout).toContain('User certificate of alice@example.org');
  const loaded = stderr.split('\n').filter((url) => url.startsWith('file:'));
  expect(loaded.some((url) => url.endsWith('/src/cli/commands/inspect.ts'))).toBe(true);
  expect(loaded.filter((url) => /\/src\/(?!(cli|ssh|errors|files|sally\.ts))/.test(url))).toEqual([]);
  expect(loaded.filter((url) => url.includes('/node_modules/') && !url.includes('/commander/'))).toEqual([]);
});

test('sally inspect --help has an example and fits into 80 columns', async () => {
  const { code, stdout } = await inspect(['--help']);
  expect(code).toBe(0);
  expect(stdout).toContain('ssh-add -L | sally inspect -');
  expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
});

/** The blob of an RSA key that is too weak for publicKeyBlobOf(). */
function publicKeyBlobOfWeak(key: ReturnType<typeof generateKeyPairSync>['privateKey']): Buffer {
  const { n = '', e = '' } = (key as import('node:crypto').KeyObject).export({ format: 'jwk' }) as Record<
    string,
    string
  >;
  const unsigned = (text: string) => Buffer.concat([Buffer.alloc(1), Buffer.from(text, 'base64url')]);
  return new WireWriter().string('ssh-rsa').string(Buffer.from(e, 'base64url')).string(unsigned(n)).bytes();
}
