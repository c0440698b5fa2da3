/**
 * Makes the seeds of the corpus, with ssh-keygen and puttygen where those write the format: `node test/fuzz/make-seeds.ts`.
 * Only needed where a parser is new, or learns a new form. The keys are fresh and thrown away, or those of the tests.
 */
import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encryptKey } from '../../src/ca/signers/encrypted-key.ts';
import type { CertificateFields } from '../../src/ssh/certificate.ts';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import type { KrlSection } from '../../src/ssh/krl.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { unarmor } from '../../src/ssh/pem.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { parseAttestation } from '../../src/ssh/sk-attestation.ts';
import { signSshsig } from '../../src/ssh/sshsig.ts';
import { WireWriter } from '../../src/ssh/wire.ts';
import { ca, hostFields, issue, now, rawToBeSigned, subject, userFields } from '../ssh/sample-certificate.ts';
import { keysOfEveryType, plainKey, securityKey } from '../ssh/sample-keys.ts';
import { attestationDocument, SoftwareAuthenticator } from '../ssh/software-authenticator.ts';
import { addToCorpus, readCorpus } from './corpus.ts';
import { attestedApplication, attestedChallenge } from './parsers/security-keys.ts';
import { signedMessage, sshsigNamespace, touched } from './parsers/signatures.ts';
import { caKeyPassphrase } from './parsers/signers.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-seeds-'));
const path = (name: string) => join(folder, name);
const run = (program: string, args: readonly string[]) => execFileSync(program, args, { cwd: folder });

function seed(parser: string, name: string, input: Uint8Array | string): void {
  addToCorpus(parser, Buffer.from(input), name);
}

const keys = keysOfEveryType();

function makeKeySeeds(): void {
  for (const { type, blob } of keys) {
    const name = type.replace(/@.*/, '');
    seed('key-blob', name, blob);
    seed('key-line', name, `${publicKeyLine({ blob, comment: 'alice@laptop' })}\n`);
  }
  for (const [name, byte] of Object.entries({ 'low-order': 0, 'not-canonical': 0xff })) {
    seed('key-blob', name, new WireWriter().string('ssh-ed25519').string(Buffer.alloc(32, byte)).bytes());
  }
  const dss = new WireWriter().string('ssh-dss');
  for (const byte of [0x11, 0x12, 0x13, 0x14]) dss.string(Buffer.alloc(20, byte));
  seed('key-blob', 'dss', dss.bytes());
  seed(
    'key-blob',
    'mldsa',
    new WireWriter().string('ssh-mldsa44-ed25519@openssh.com').string(Buffer.alloc(1344, 5)).bytes(),
  );
  seed('key-line', 'private', generateEd25519().openssh('').replace(/[B-Z]/g, 'A'));
  seed('key-line', 'options', `restrict,command="x" ${publicKeyLine({ blob: subject.blob })}`);

  for (const [name, args] of [
    ['ecdsa', ['-t', 'ecdsa']],
    ['rsa', ['-t', 'rsa', '-b', '3072']],
  ] as const) {
    run('ssh-keygen', ['-q', '-N', '', '-C', 'alice', '-m', 'PEM', ...args, '-f', path(name)]);
    for (const format of ['RFC4716', 'PKCS8', 'PEM']) {
      const text = run('ssh-keygen', ['-e', '-m', format, '-f', path(`${name}.pub`)]);
      seed('key-file', `${name}-${format.toLowerCase()}`, text);
    }
    run('puttygen', [path(name), '-O', 'private', '-o', path(`${name}.ppk`)]);
    // Only its public half: the rest would be refused at once.
    const [publicHalf = ''] = readFileSync(path(`${name}.ppk`), 'utf8').split('Private-Lines');
    seed('key-file', `${name}-putty`, publicHalf);
  }
  seed('key-file', 'line', publicKeyLine({ blob: subject.blob, comment: 'alice' }));
  seed('key-file', 'blob', subject.blob);
  seed('key-file', 'dnssec', `host.example. IN KEY 512 3 8 ${subject.blob.toString('base64')}\n`);
  seed('key-file', 'private', '-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n');
}

function makeCertificateSeeds(): void {
  const add = (name: string, blob: Buffer, toBeSigned?: Buffer) => {
    seed('certificate', name, blob);
    if (toBeSigned) seed('to-be-signed', name, toBeSigned);
  };
  for (const [index, key] of keys.entries()) {
    const signer = keys[(index + 4) % keys.length] ?? key;
    const fields: CertificateFields = { ...userFields, publicKey: key.blob, caPublicKey: signer.blob };
    const toBeSigned = encodeToBeSigned(fields);
    add(key.type.replace(/@.*/, ''), assembleCertificate(toBeSigned, signer.sign(toBeSigned)), toBeSigned);
  }
  add('host', issue(hostFields), encodeToBeSigned(hostFields));
  const option = { name: 'other@example.org', data: Buffer.from([0, 1]) };
  const bare = { ...userFields, criticalOptions: [], extensions: [option] };
  add('data', issue(bare), encodeToBeSigned(bare));
  const forced = { ...userFields, criticalOptions: [{ name: 'force-command', value: 'echo hello' }] };
  add('forced', issue(forced));
  seed(
    'to-be-signed',
    'raw-host',
    rawToBeSigned({
      kind: 2,
      keyId: 'host/web',
      principals: ['web.example.org'],
      criticalOptions: [],
      extensions: [],
    }),
  );
  for (const name of ['key', 'signed-by-key']) {
    const line = readFileSync(new URL(`../ssh/vectors/mldsa/${name}-cert.pub`, import.meta.url), 'utf8');
    const { blob, toBeSigned, signature } = parseCertificateLine(line);
    add(`mldsa-${name}`, blob, toBeSigned);
    seed('signature', `mldsa-${name}`, signature);
  }
  seed('certificate-line', 'ours', `${certificateLine(issue(userFields), 'alice')}\n`);
  seed('certificate-reading', 'ours', issue(userFields));
  const dss = new WireWriter().string('ssh-dss-cert-v01@openssh.com');
  for (const byte of [1, 2, 3, 4, 5]) dss.string(Buffer.alloc(8, byte));
  seed('certificate-reading', 'dss', dss.raw(issue(userFields).subarray(110)).bytes());

  run('ssh-keygen', ['-q', '-N', '', '-t', 'ecdsa', '-C', '', '-f', path('their-ca')]);
  run('ssh-keygen', ['-q', '-N', '', '-t', 'ed25519', '-C', '', '-f', path('their-key')]);
  const validity = `0x${(now - 60n).toString(16)}:0x${(now + 600n).toString(16)}`;
  for (const [name, args] of [
    ['openssh-user', ['-O', 'force-command=date', '-O', 'source-address=192.0.2.1', '-O', 'extension:x@y=z']],
    ['openssh-host', ['-h']],
    ['openssh-loose', ['-O', 'clear']],
  ] as const) {
    const loose = name === 'openssh-loose' ? [] : ['-n', 'alice,bob', '-z', '7', '-V', validity];
    run('ssh-keygen', [
      '-q',
      '-s',
      path('their-ca'),
      '-I',
      'their key ID',
      ...loose,
      ...args,
      path('their-key.pub'),
    ]);
    const line = readFileSync(path('their-key-cert.pub'), 'utf8');
    seed('certificate-line', name, line);
    add(name, Buffer.from(line.split(' ')[1] ?? '', 'base64'));
  }
}

function makeKrlSeeds(): void {
  const header = { version: 7n, generatedAt: now, comment: '' };
  const everyThird = Array.from({ length: 400 }, (_, index) => BigInt(1000 + index * (1 + (index % 3))));
  const far = Array.from({ length: 10 }, (_, index) => BigInt(index + 1) ** 15n);
  const serials = [...everyThird, ...far];
  const ranges = [{ from: 2n ** 40n, to: 2n ** 41n }];
  const certificates = { kind: 'certificates' as const, caPublicKey: ca.blob, serials, ranges };
  const digest = (length: number) => [Buffer.alloc(length, 1), Buffer.alloc(length, 2)];
  seed('krl', 'serials', encodeKrl({ ...header, sections: [certificates] }));
  seed(
    'krl',
    'everything',
    encodeKrl({
      ...header,
      comment: 'all kinds',
      sections: [
        { ...certificates, keyIds: ['alice@example.org/01ab', 'x'] },
        { kind: 'certificates', caPublicKey: null, serials: [5n] },
        { kind: 'keys', blobs: keys.map(({ blob }) => blob) },
        { kind: 'sha1', digests: digest(20) },
        { kind: 'sha256', digests: digest(32) },
      ],
    }),
  );
  // Short ones, in which a change is likely to meet what matters.
  const dense = [1n, 3n, 4n, 6n, 8n, 9n, 11n, 15n, 17n, 18n, 20n].map((serial) => serial + 100n);
  const kinds: Readonly<Record<string, KrlSection>> = {
    list: { kind: 'certificates', caPublicKey: null, serials: [5n, 2n ** 63n] },
    range: { kind: 'certificates', caPublicKey: null, serials: [], ranges: [{ from: 5n, to: 5000n }] },
    bitmap: { kind: 'certificates', caPublicKey: null, serials: dense },
    'key-ids': { kind: 'certificates', caPublicKey: null, serials: [], keyIds: ['a', 'b'] },
    sha1: { kind: 'sha1', digests: digest(20) },
  };
  for (const [name, section] of Object.entries(kinds))
    seed('krl', name, encodeKrl({ ...header, sections: [section] }));
  writeFileSync(path('ca.pub'), `${publicKeyLine({ blob: ca.blob })}\n`);
  const lines = [
    ...[1, 3, 4, 6, 8, 9, 11, 15, 1000, 5_000_000].map((serial) => `serial: ${serial}`),
    'serial: 20000-30000',
    'id: alice',
    `key: ${publicKeyLine({ blob: subject.blob })}`,
    `sha1: ${publicKeyLine({ blob: subject.blob })}`,
    `sha256: ${publicKeyLine({ blob: subject.blob })}`,
  ];
  writeFileSync(path('spec'), `${lines.join('\n')}\n`);
  run('ssh-keygen', ['-q', '-k', '-f', path('krl'), '-s', path('ca.pub'), '-z', '9', path('spec')]);
  seed('krl', 'openssh', readFileSync(path('krl')));
}

async function makeSignatureSeeds(): Promise<void> {
  for (const key of keys) seed('signature', key.type.replace(/@.*/, ''), key.sign(signedMessage));
  const own = plainKey(subject.privateKey);
  seed('signature', 'verified', own.sign(signedMessage));
  seed('signature', 'verified-touch', touched.sign(signedMessage));
  seed('signature', 'untouched', securityKey(subject.privateKey, 'ssh:', 0).sign(signedMessage));
  const claim = { message: signedMessage, namespace: sshsigNamespace };
  for (const key of [own, ...keys.slice(0, 5)]) {
    const armored = await signSshsig({ ...claim, publicKeyBlob: key.blob, sign: (bytes) => key.sign(bytes) });
    const name = key === own ? 'verified' : key.type;
    seed('sshsig-body', name, unarmor('SSH SIGNATURE', armored) ?? '');
    if (key === own) seed('sshsig', name, armored);
  }
  for (const [curve, numbers] of [
    [
      'p256',
      '304502200102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f200221008102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20',
    ],
    ['p521', `308188024200${'81'.repeat(65)}024201${'82'.repeat(65)}`],
    ['small', '3006020101020102'],
  ] as const) {
    seed('der-signature', curve, Buffer.from(numbers, 'hex'));
  }
}

async function makeSignerSeeds(): Promise<void> {
  const answer = new WireWriter().u8(12).u32(2);
  for (const comment of ['alice', '']) answer.string(subject.blob).string(comment);
  seed('agent-reply', 'identities', answer.bytes());
  const signature = plainKey(subject.privateKey).sign(signedMessage);
  seed('agent-reply', 'signature', new WireWriter().u8(14).string(signature).bytes());
  const blob = generateEd25519().publicKeyBlob;
  const sessionId = Buffer.alloc(32, 7);
  const login = (method: string) =>
    new WireWriter().string(sessionId).u8(50).string('app').string('ssh-connection').string(method).u8(1);
  const old = login('publickey').string('ssh-ed25519').string(blob).bytes();
  const bound = login('publickey-hostbound-v00@openssh.com').string('ssh-ed25519').string(blob);
  seed('login-request', 'old', old);
  seed('login-request', 'bound', bound.string(blob).bytes());
  seed('agent-request', 'sign', new WireWriter().u8(13).string(blob).string(old).u32(4).bytes());
  const bind = new WireWriter().u8(27).string('session-bind@openssh.com').string(blob).string(sessionId);
  seed('agent-request', 'bind', bind.string(signature).u8(1).bytes());
  seed('agent-request', 'lock', new WireWriter().u8(22).string('passphrase').bytes());
  seed('agent-request', 'query', new WireWriter().u8(27).string('query').bytes());
  seed('agent-request', 'list', Buffer.from([11]));
  seed('agent-identities', 'identities', answer.bytes());
  seed('agent-reply', 'failure', Buffer.from([5]));
  seed('agent-reply', 'success', Buffer.from([6]));

  const der = subject.privateKey.export({ type: 'pkcs8', format: 'der' });
  const file = await encryptKey(der, caKeyPassphrase, { logN: 4, r: 1, p: 1 });
  const whole = unarmor('SALLYPORT ENCRYPTED CA KEY', file) ?? Buffer.alloc(0);
  seed('encrypted-ca-key', 'ed25519', whole.subarray(0, -32));

  const fingerprint = 'SHA256:gkUnrzgSal8AibxeVSVStxCCBg075vnx81Ce4ZqecCg';
  for (const [name, uri] of [
    ['label', 'object=user%20ca;type=private'],
    ['fingerprint', `?x-fingerprint=${fingerprint}`],
    ['both', `object=ca?x-fingerprint=${fingerprint}`],
    ['paths', 'token=t;object=ca?module-path=/usr/lib/x.so&pin-value=1234'],
  ] as const) {
    seed('pkcs11-uri', name, uri);
  }

  const toSpki = { type: 'spki', format: 'der' } as const;
  for (const { type, privateKey } of keys.slice(0, 5)) {
    seed('service-key', type, createPublicKey(privateKey).export(toSpki));
  }
  seed('service-key', 'x25519', generateKeyPairSync('x25519').publicKey.export(toSpki));
}

/** What people point `sally inspect` at, made of the other parsers' seeds where there are any. */
function makeInspectionSeeds(): void {
  const claims = '{"v":1,"sub":"alice@example.org","auth_time":1799999000,"amr":["otp",7],"mode":"ci"}';
  const extensions = [
    { name: 'claims@ca.example.org', value: claims },
    { name: 'mfa@ca.example.org', value: '{"v":1,"methods":["otp"],"by":"https://login.example.org"}' },
  ];
  const certificate = issue({ ...userFields, extensions });
  const key = publicKeyLine({ blob: subject.blob, comment: 'key' });
  seed('inspection', 'certificate', `${certificateLine(certificate, 'alice')}\n`);
  seed('inspection', 'binary', certificate);
  seed('inspection', 'authorized-keys', `# mine\nrestrict,command="echo \\"a b\\"" ${key}\n`);
  seed('inspection', 'known-hosts', `@cert-authority *.sallyport ${key}\n|1|YQ==|Yg== ${key}\n`);
  for (const [parser, name] of [
    ['certificate-line', 'openssh-loose'],
    ['krl', 'serials'],
    ['sshsig', 'verified'],
    ['key-file', 'rsa-rfc4716'],
  ] as const) {
    const found = readCorpus(parser).find((file) => file.name === name);
    if (found === undefined) throw new Error(`there is no ${parser}/${name}`);
    seed('inspection', `${parser}-${name}`, found.input);
  }
}

function makeTextSeeds(): void {
  seed('source-address', 'both', '192.0.2.0/24,2001:db8::/32,198.51.100.7');
  seed('source-address', 'v6', '::1,fe80::1:2,1:2:3:4:5:6:7:8/127');
  seed('source-address', 'mapped', '::ffff:192.0.2.1');
  seed('key-id', 'session', 'alice.b@example.org/01ab-3f');
  seed(
    'known-hosts',
    'patterns',
    'web.example.org,*.example.org,[web.example.org]:2222,127.0.0.1\nour hosts',
  );
  seed('armor', 'block', '-----BEGIN SSH SIGNATURE-----\r\nAAAA\r\nAAA=\r\n-----END SSH SIGNATURE-----\r\n');
  seed('base64', 'padded', 'AAECAwQFBg==');
  seed('base64', 'exact', 'AAECAwQFBgcI');
  const numbers = new WireWriter().u8(1).u32(2).u64(3n).string('abc').string('text').raw(Buffer.from('raw'));
  seed(
    'wire',
    'all',
    Buffer.concat([Buffer.from([7, 0, 1, 2, 3, 4, 5, 6]), numbers.string(Buffer.from([0, 0x80])).bytes()]),
  );
  seed(
    'wire',
    'text',
    Buffer.concat([Buffer.from([1, 4]), new WireWriter().string('\u00fc\u{1f600}').bytes()]),
  );
}

function makeSecurityKeySeeds(): void {
  const application = attestedApplication;
  for (const [name, wishes, ed25519] of [
    ['ed25519', {}, true],
    ['ecdsa', {}, false],
    ['u2f', { isU2f: true }, false],
  ] as const) {
    const asked = { ed25519, challenge: attestedChallenge, application, flags: 1 };
    const made = new SoftwareAuthenticator(wishes).make(asked);
    if (made === undefined) throw new Error(`no ${name} key was made`);
    const document = attestationDocument(made);
    seed('attestation', name, document);
    seed('authenticator-data', name, parseAttestation(document).authenticatorData);
  }
  for (const flags of [1, 5]) {
    const { blob } = securityKey(subject.privateKey, application);
    const secret = new WireWriter()
      .u32(7)
      .u32(7)
      .raw(blob)
      .u8(flags)
      .string('handle')
      .string('')
      .string('comment');
    const body = new WireWriter()
      .raw(Buffer.from('openssh-key-v1\0'))
      .string('none')
      .string('none')
      .string('');
    seed('security-key-file', `flags-${flags}`, body.u32(1).string(blob).string(secret.bytes()).bytes());
  }
}

try {
  makeKeySeeds();
  makeCertificateSeeds();
  makeKrlSeeds();
  await makeSignatureSeeds();
  await makeSignerSeeds();
  makeTextSeeds();
  makeInspectionSeeds();
  makeSecurityKeySeeds();
} finally {
  rmSync(folder, { recursive: true });
}
