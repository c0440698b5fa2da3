/** What docs/certificates.md tells the owner of a stock sshd, done word for word with a real one. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { type LocalSshd, startLocalSshd } from '../../src/dev/local-sshd.ts';
import { runProgram } from '../../src/gateway/run-program.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import type { NewSession } from '../../src/sessions/start-session.ts';
import type { CertificateFields } from '../../src/ssh/certificate.ts';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { requestFor, type SampleAuthority, sampleAuthority } from '../ca/sample-authority.ts';
import { hasSsh } from '../ca/trusting-machine.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { freePort } from '../gateway/ssh-client.ts';
import { docsPage } from '../structure/docs-page.ts';
import { temporaryFolder } from './ssh-keygen.ts';

const page = docsPage('certificates.md');
/** Where the page puts everything. */
const place = '/etc/ssh/sallyport';
const heading = '## A stock sshd that demands MFA';

interface Login {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What sshd wrote about it. */
  readonly log: string;
}

interface Held {
  readonly key: GeneratedKey;
  readonly certificate: string;
}

describe.skipIf(!hasSsh)('a stock sshd with the lines of docs/certificates.md (needs openssh-server)', () => {
  const files = temporaryFolder();
  const folder = files.path('etc');
  const login = userInfo().username;
  const [threeLines = '', whoMayLogIn = ''] = [
    ...page.blocks('sshd_config', heading),
    ...page.blocks('text', heading),
  ];
  const [forcedLines = ''] = page.blocks('sshd_config', '### Reading the claims in a ForceCommand');
  const [freshLogin = ''] = page.blocks('python', '### Reading the claims in a ForceCommand');
  let database: FreshDatabase;
  let sample: SampleAuthority;
  let plain: Machine;
  let forced: Machine;
  const started: Machine[] = [];

  interface Machine {
    readonly sshd: LocalSshd;
    readonly port: number;
  }

  beforeAll(async () => {
    database = await freshDatabase();
    sample = await sampleAuthority(database, {}, undefined, new Date());
    await mkdir(join(folder, 'principals'), { recursive: true, mode: 0o755 });
    await writeFile(
      join(folder, 'user_ca.pub'),
      `${publicKeyLine({ blob: sample.userKey.publicKeyBlob })}\n`,
    );
    await writeFile(join(folder, 'principals', login), whoMayLogIn);
    await writeFile(join(folder, 'fresh-login'), freshLogin);
    await chmod(join(folder, 'fresh-login'), 0o755);
    await installKrl();
    plain = await startMachine('plain', threeLines);
    forced = await startMachine('forced', threeLines + forcedLines);
  });
  afterAll(async () => {
    for (const { sshd } of started) await sshd.stop();
    await database?.close();
  });

  async function installKrl(): Promise<void> {
    await writeFile(join(folder, 'revoked_keys'), (await sample.authority.currentKrl()).data);
  }

  /** The lines of the page, and what any sshd of a test needs besides. */
  async function startMachine(name: string, lines: string): Promise<Machine> {
    const port = await freePort();
    const surroundings = [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${files.write(`host-${name}`, generateEd25519().openssh('host'))}`,
      'AuthorizedKeysFile none',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'UsePAM no',
      'StrictModes no',
      'PidFile none',
    ];
    const isBare = process.getuid?.() === 0 && !existsSync('/run/sshd');
    const sshd = await startLocalSshd({
      folder: files.path(name),
      sshd: '/usr/sbin/sshd',
      address: '127.0.0.1',
      port,
      configuration: `${surroundings.join('\n')}\n${lines.replaceAll(place, folder)}`,
      ...(isBare ? { namespace: { binds: [] } } : {}),
    });
    const machine = { sshd, port };
    started.push(machine);
    return machine;
  }

  async function certified(session: Partial<NewSession>): Promise<Held & { sessionId: string }> {
    const { sessionId } = await (aliceId === undefined
      ? sample.person('alice', session)
      : sample.login(aliceId, session));
    const key = generateEd25519();
    const request = await requestFor(sample.authority, sessionId, key);
    const { certificate } = await sample.authority.issueUserCertificate({ sessionId, request });
    return { key, certificate, sessionId };
  }
  let aliceId: string | undefined;
  beforeAll(async () => {
    aliceId = (await sample.person('alice')).accountId;
  });

  /** The certificate with other fields, signed by the same CA. */
  function changed({ key, certificate }: Held, change: Partial<CertificateFields>): Held {
    const toBeSigned = encodeToBeSigned({ ...parseCertificateLine(certificate), ...change });
    const blob = assembleCertificate(toBeSigned, signWithKey(sample.userKey.privateKey, toBeSigned));
    return { key, certificate: certificateLine(blob) };
  }

  let logins = 0;
  async function logIn({ key, certificate }: Held, { sshd, port }: Machine): Promise<Login> {
    logins += 1;
    const identity = files.write(`id-${logins}`, key.openssh('test'));
    files.write(`id-${logins}-cert.pub`, `${certificate}\n`);
    const before = (await readFile(sshd.logFile, 'utf8')).length;
    const options = [
      'IdentitiesOnly=yes',
      'IdentityAgent=none',
      'BatchMode=yes',
      'ControlPath=none',
      'StrictHostKeyChecking=no',
      'UserKnownHostsFile=/dev/null',
      'LogLevel=ERROR',
    ].flatMap((option) => ['-o', option]);
    const ran = await runProgram('/usr/bin/ssh', [
      ...['-F', 'none', '-i', identity, '-p', `${port}`, '-l', login, ...options],
      ...['127.0.0.1', 'echo you are in'],
    ]);
    return { ...ran, log: (await readFile(sshd.logFile, 'utf8')).slice(before) };
  }

  const refusedBySshd = { status: 255, stdout: '', stderr: expect.stringContaining('Permission denied') };

  test('are three, and a file that names mfa: principals alone', () => {
    expect(threeLines.trim().split('\n')).toHaveLength(3);
    for (const name of whoMayLogIn.trim().split('\n')) expect(name).toMatch(/^mfa:/);
  });

  test('lets in a login with MFA, and its log names person, session and serial as the page shows', async () => {
    const alice = await certified({ mfa: true });
    const { status, stdout, log } = await logIn(alice, plain);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'you are in\n' });
    const accepted = /^Accepted publickey .*$/m.exec(log)?.[0] ?? '';
    const { serial, keyId } = parseCertificateLine(alice.certificate);
    expect(accepted).toContain(`ID ${keyId} (serial ${serial})`);
    const [shown = ''] = page.blocks('text', "### In sshd's log");
    expect(withoutChance(shown.split('\n')[0] ?? '')).toBe(withoutChance(accepted));
  });

  test('refuses the same person without MFA', async () => {
    const alice = await certified({ mfa: false });
    expect(parseCertificateLine(alice.certificate).principals).toEqual(['alice@example.com']);
    expect(await logIn(alice, plain)).toMatchObject(refusedBySshd);
  });

  test('[abuse 32] refuses MFA that is claimed in an extension only: the principal enforces', async () => {
    expect(page.text).toContain('is information, the principal is what sshd enforces');
    const alice = await certified({ mfa: true });
    const { principals, extensions } = parseCertificateLine(alice.certificate);
    expect(extensions.map(({ name }) => name)).toContain('mfa@ca.example.com');
    const claimsOnly = changed(alice, { principals: principals.filter((name) => !name.startsWith('mfa:')) });
    expect(await logIn(claimsOnly, plain)).toMatchObject(refusedBySshd);
    const principalOnly = changed(alice, {
      extensions: extensions.filter(({ name }) => !name.startsWith('mfa@')),
    });
    expect(await logIn(principalOnly, plain)).toMatchObject({ status: 0, stdout: 'you are in\n' });
  });

  test('refuses a certificate whose session was ended, and logs it as the page shows', async () => {
    const alice = await certified({ mfa: true });
    expect(await logIn(alice, plain)).toMatchObject({ status: 0 });
    await inTransaction(database.db, (tx) =>
      endSession(tx, { sessionId: alice.sessionId, reason: 'revoked', by: 'admin' }, new Date()),
    );
    await installKrl();
    const { log, ...ran } = await logIn(alice, plain);
    expect(ran).toMatchObject(refusedBySshd);
    const revoked = /^.*revoked by file.*$/m.exec(log)?.[0].replace(folder, place) ?? '';
    const [shown = ''] = page.blocks('text', "### In sshd's log");
    expect(withoutChance(shown.split('\n')[1] ?? '')).toBe(withoutChance(revoked));
  });

  describe.skipIf(!existsSync('/usr/bin/python3'))(
    'with the command that reads the claims (needs python3)',
    () => {
      test('lets in a fresh login', async () => {
        const alice = await certified({ mfa: true, authTime: new Date(Date.now() - 60_000) });
        expect(await logIn(alice, forced)).toMatchObject({ status: 0, stdout: 'you are in\n' });
      });

      test('refuses a login that is older than it may be', async () => {
        const alice = await certified({ mfa: true, authTime: new Date(Date.now() - 1_000_000) });
        expect(await logIn(alice, forced)).toMatchObject({
          status: 1,
          stdout: '',
          stderr: expect.stringContaining('Your login is older than 15 minutes'),
        });
      });
    },
  );
});

/** A log line without what differs from one login to the next. */
function withoutChance(line: string): string {
  return (
    line
      // Only the system's log has the prefix, not the file of an sshd in the foreground.
      .replace(/\r$|^error: /g, '')
      .replace(/SHA256:[A-Za-z0-9+/]{43}/g, 'SHA256:*')
      .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<session id>')
      .replace(/serial \d+/, 'serial *')
      .replace(/ for \S+ from \S+ port \d+ /, ' for * from * port * ')
  );
}
