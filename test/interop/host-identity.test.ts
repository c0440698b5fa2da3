/**
 * By what people know machines: what is published ([seeds 38], with test/http/ssh-info.test.ts), a known_hosts that asks
 * nobody ([seeds 39]), and gateways that share a name ([seeds 43]). Real ssh and sshd.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { type LocalSshd, startLocalSshd } from '../../src/dev/local-sshd.ts';
import { canGenerateNames, namespaceCommand } from '../../src/dev/local-sshd-namespace.ts';
import { fingerprintLines } from '../../src/gateway/fingerprints.ts';
import { realMachine } from '../../src/gateway/machine.ts';
import { isProgram, opensshVersion } from '../../src/gateway/programs.ts';
import { runProgram } from '../../src/gateway/run-program.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import type { CertificateFields } from '../../src/ssh/certificate.ts';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { fingerprint, publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { Person, runAsync } from '../cli/person.ts';
import { ServerDouble } from '../cli/server-double.ts';
import { root } from '../dev/started-program.ts';
import { freePort } from '../gateway/ssh-client.ts';
import { enrolmentBody, startTestServer, type TestServer } from '../http/test-server.ts';
import { temporaryFolder } from './ssh-keygen.ts';

const hasSsh = ['/usr/sbin/sshd', '/usr/bin/ssh', '/usr/bin/ssh-keyscan'].every(isProgram);
const sharedName = 'gate.example.com';

interface Gateway {
  readonly name: string;
  readonly address: string;
  readonly key: GeneratedKey;
  readonly certificate: string;
}

describe.skipIf(!hasSsh)('gateways (needs openssh-server, openssh-client)', () => {
  const files = temporaryFolder();
  const started = new Map<string, LocalSshd>();
  let server: TestServer;
  let url: string;
  let port: number;
  let gateways: readonly [Gateway, Gateway];
  let knownHosts: string;

  beforeAll(async () => {
    const listen = await freePort();
    url = `http://127.0.0.1:${listen}`;
    server = await startTestServer({ publicUrl: url });
    await server.app.listen({ host: '127.0.0.1', port: listen });
    port = await freePort();
    const other = await inTransaction(server.database.db, (tx) =>
      createCompanion(tx, {
        organizationId: server.shop.organizationId,
        kind: 'gateway',
        name: 'gate-2',
        address: '127.0.0.3',
        port,
        gatewayLogin: null,
        environmentIds: [],
      }),
    );
    await server.database.db
      .updateTable('companions')
      .set({ host_names: [sharedName], port })
      .where('id', 'in', [server.shop.gatewayId, other])
      .execute();
    gateways = [
      await openGateway('gate', '127.0.0.2', server.shop.gatewayId),
      await openGateway('gate-2', '127.0.0.3', other),
    ];
    const info = (await server.call('GET', '/ssh/info')).json();
    knownHosts = files.write('known_hosts', `${info.host_authorities[0].known_hosts}\n`);
  });
  afterAll(async () => {
    for (const sshd of started.values()) await sshd.stop();
    await server?.close();
  });

  async function openGateway(name: string, address: string, companionId: string): Promise<Gateway> {
    const key = generateEd25519();
    const token = await inTransaction(server.database.db, (tx) =>
      createEnrolmentToken(tx, companionId, { now: server.clock.now, lifetimeSeconds: 600 }),
    );
    const body = await enrolmentBody(token, server.publicUrl.hostname, key);
    expect((await server.call('POST', '/v1/companions/enrol', { body })).statusCode).toBe(200);
    const certificate = await server.authority.hostCertificateFor(companionId);
    const gateway = { name, address, key, certificate };
    started.set(name, await startSshd(files, gateway, port));
    return gateway;
  }

  /** Runs a program where the shared name has these addresses, as a resolver would say. */
  async function where(addresses: readonly string[], program: readonly string[]) {
    const hosts = files.write('hosts', addresses.map((address) => `${address} ${sharedName}\n`).join(''));
    const [command = '', ...args] = namespaceCommand({ binds: [{ from: hosts, to: '/etc/hosts' }] }, program);
    return await runProgram(command, args);
  }

  /** What a client says of the machine, up to where it would log in. */
  const connecting = (...more: string[]) => [
    '/usr/bin/ssh',
    ...['-F', 'none', '-v', '-p', String(port), '-o', `UserKnownHostsFile=${knownHosts}`],
    ...[
      'GlobalKnownHostsFile=none',
      'StrictHostKeyChecking=yes',
      'BatchMode=yes',
      'IdentityAgent=none',
    ].flatMap((option) => ['-o', option]),
    ...['-o', 'PreferredAuthentications=none', ...more, sharedName],
  ];
  const isBelieved = (stderr: string) =>
    stderr.includes(`Host '${sharedName}' is known and matches the ED25519-CERT host certificate`);

  test('[seeds 38] are known by the very keys that sshd shows: published, on the person’s machine, on the gateway', async () => {
    const [gate, second] = gateways;
    const alice = new Person();
    try {
      const asked = await alice.sally(['gateway', 'fingerprint', '--server', url]);
      expect(asked).toMatchObject({ code: 0, stderr: '' });
      const one = await alice.sally(['gateway', 'fingerprint', 'gate-2', '--json', '--server', url]);
      expect(JSON.parse(one.stdout).gateways).toMatchObject([
        {
          name: 'gate-2',
          ports: [port],
          host_keys: [{ fingerprint: fingerprint(second.key.publicKeyBlob) }],
        },
      ]);
      for (const { address, key } of gateways) {
        const scanned = await runProgram('/usr/bin/ssh-keyscan', ['-t', 'ed25519', '-p', `${port}`, address]);
        const listed = await runProgram('/usr/bin/ssh-keygen', ['-l', '-f', '-'], { input: scanned.stdout });
        const [, shown = ''] = listed.stdout.split(' ');
        expect(shown).toBe(fingerprint(key.publicKeyBlob));
        expect(asked.stdout).toContain(shown);
      }
      expect(asked.stdout).toContain(fingerprint(server.caKeys[1]?.publicKeyBlob ?? Buffer.alloc(0)));
      const unknown = await alice.sally(['gateway', 'fingerprint', 'nowhere', '--server', url]);
      expect(unknown.code).not.toBe(0);
      expect(unknown.stderr).toContain('no gateway of this name');
    } finally {
      alice.remove();
    }
    // On the gateway itself: `sallyport gateway fingerprint`.
    const machine = {
      ...realMachine('gateway'),
      stateFolder: files.path('state'),
      hostKeyFolder: files.path('etc-ssh'),
    };
    for (const folder of [machine.stateFolder, machine.hostKeyFolder]) await mkdir(folder, { mode: 0o700 });
    await expect(fingerprintLines(machine)).rejects.toThrow('No host key can be read here');
    const own = generateEd25519();
    await writeFile(join(machine.hostKeyFolder, 'ssh_host_ed25519_key.pub'), `${lineOf(own)}\n`);
    await writeFile(join(machine.stateFolder, 'host_key.pub'), `${lineOf(gate.key)}\n`);
    expect(await fingerprintLines(machine)).toEqual([
      expect.stringContaining(fingerprint(gate.key.publicKeyBlob)),
      `${fingerprint(own.publicKeyBlob)} ssh-ed25519 (the machine's own)`,
    ]);
  });

  describe.skipIf(!canGenerateNames())('behind one DNS name (needs root)', () => {
    test('[seeds 43] are believed alike, whichever is nearest, and one that is away warns nobody', async () => {
      const before = await readFile(knownHosts, 'utf8');
      const certified = gateways.map(({ certificate }) => parseCertificateLine(certificate).principals);
      expect(certified).toEqual([
        ['gate.sallyport', sharedName],
        ['gate-2.sallyport', sharedName],
      ]);
      for (const { address, key } of gateways) {
        const { stderr } = await where([address], connecting());
        expect(stderr).toContain(`Connecting to ${sharedName} [${address}]`);
        expect(stderr).toContain(fingerprint(key.publicKeyBlob));
        expect(isBelieved(stderr)).toBe(true);
        expect(stderr).not.toMatch(/WARNING|Offending|authenticity/);
      }
      const [gate, second] = gateways;
      await started.get(gate.name)?.stop();
      const { stderr } = await where([gate.address, second.address], connecting());
      expect(stderr).toContain(`connect to address ${gate.address} port ${port}: Connection refused`);
      expect(isBelieved(stderr)).toBe(true);
      expect(stderr).not.toMatch(/WARNING|Offending|authenticity/);
      expect(await readFile(knownHosts, 'utf8')).toBe(before);
      started.set(gate.name, await startSshd(files, gate, port));
    });
  });
});

describe.skipIf(!hasSsh)('what sally makes of known_hosts (needs openssh-server, openssh-client)', () => {
  const files = temporaryFolder();
  const hostCa = generateEd25519();
  const double = new ServerDouble();
  const alice = new Person();
  let sshd: LocalSshd | undefined;
  let port: number;

  beforeAll(async () => {
    port = await freePort();
    double.configuration = {
      ...double.configuration,
      host_authorities: [lineOf(hostCa)],
      gateways: [{ name: 'gw', address: '127.0.0.1', port, login: null }],
    };
    await double.start();
    await alice.login(double.url);
  });
  afterAll(async () => {
    await sshd?.stop();
    await double.stop();
    alice.remove();
  });

  let machines = 0;
  /** What ssh says to a machine with this key, and a certificate with these fields. */
  async function meets(
    change: (Partial<CertificateFields> & { readonly ca?: GeneratedKey }) | 'no certificate',
  ) {
    machines += 1;
    const key = generateEd25519();
    const certificate = change === 'no certificate' ? '' : hostCertificate(key, change);
    sshd = await startSshd(
      files,
      { name: `machine-${machines}`, address: '127.0.0.1', key, certificate },
      port,
    );
    const { stderr } = await runAsync(
      'ssh',
      ['-F', alice.paths.userConfig, '-v', '-T', 'gw.sallyport', 'true'],
      {},
    );
    await sshd.stop();
    sshd = undefined;
    // Some of it ssh finds out only after it has found the CA's line.
    if (/Host key verification failed|no matching host key type/.test(stderr)) return 'refused';
    const known = "Host 'gw.sallyport' is known and matches the ED25519-CERT host certificate";
    return stderr.includes(known) && stderr.includes('SSH2_MSG_SERVICE_ACCEPT') ? 'believed' : stderr;
  }

  function hostCertificate(
    key: GeneratedKey,
    { ca = hostCa, ...change }: Partial<CertificateFields> & { readonly ca?: GeneratedKey },
  ): string {
    const now = BigInt(Math.floor(Date.now() / 1000));
    const toBeSigned = encodeToBeSigned({
      kind: 'host',
      publicKey: key.publicKeyBlob,
      nonce: Buffer.alloc(32, 1),
      serial: 1n,
      keyId: 'gateway/gw',
      principals: ['gw.sallyport'],
      validAfter: now - 60n,
      validBefore: now + 600n,
      criticalOptions: [],
      extensions: [],
      caPublicKey: ca.publicKeyBlob,
      ...change,
    });
    return certificateLine(assembleCertificate(toBeSigned, signWithKey(ca.privateKey, toBeSigned)));
  }

  test('[seeds 39] a machine that was never seen is believed by its certificate, and nothing else ever is', async () => {
    const before = readFileSync(alice.paths.knownHosts, 'utf8');
    expect(before).toMatch(/^@cert-authority \*\.sallyport ssh-ed25519 \S+ .*\n$/);
    expect(await meets({})).toBe('believed');
    const now = BigInt(Math.floor(Date.now() / 1000));
    const others = {
      'no certificate': await meets('no certificate'),
      'another CA': await meets({ ca: generateEd25519() }),
      'another name': await meets({ principals: ['web.sallyport'] }),
      over: await meets({ validAfter: now - 600n, validBefore: now - 60n }),
      'a user’s': await meets({ kind: 'user' }),
    };
    expect(others).toEqual(Object.fromEntries(Object.keys(others).map((what) => [what, 'refused'])));
    // Nobody was asked, and nothing was learnt from a first sight.
    expect(readFileSync(alice.paths.knownHosts, 'utf8')).toBe(before);
    const options = alice.sshOptions('gw.sallyport');
    expect(options.get('stricthostkeychecking')).toEqual(['true']);
    expect(options.get('updatehostkeys')).toEqual(['false']);
    expect(options.get('userknownhostsfile')).toEqual([alice.paths.knownHosts]);
  });

  test('[seeds 39] no program of ours ever switches the check off', () => {
    const texts = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => [name, readFileSync(join(parentPath, name), 'utf8')]);
    expect(texts.length).toBeGreaterThan(300);
    const off = texts.filter(([, text = '']) =>
      /StrictHostKeyChecking["']?[ =,:"']+(no|off|false|accept-new|ask)\b/i.test(text),
    );
    expect(off.map(([name]) => name)).toEqual([]);
  });
});

/** An sshd that shows this key and certificate, and lets nobody in. */
async function startSshd(
  files: ReturnType<typeof temporaryFolder>,
  { name, address, key, certificate }: Gateway,
  port: number,
): Promise<LocalSshd> {
  const hostKey = files.write(`${name}-key`, key.openssh('host'));
  const lines = [
    `Port ${port}`,
    `ListenAddress ${address}`,
    `HostKey ${hostKey}`,
    ...(certificate === '' ? [] : [`HostCertificate ${files.write(`${name}-cert.pub`, `${certificate}\n`)}`]),
    'AuthorizedKeysFile none',
    'UsePAM no',
    'StrictModes no',
    'PidFile none',
    'PerSourcePenalties no',
  ];
  const isBare = process.getuid?.() === 0 && !existsSync('/run/sshd');
  const { major, minor } = await opensshVersion('/usr/sbin/sshd');
  const hasPenalties = major > 9 || (major === 9 && minor >= 8);
  return await startLocalSshd({
    folder: files.path(`${name}-sshd`),
    sshd: '/usr/sbin/sshd',
    address,
    port,
    configuration: lines
      .filter((line) => hasPenalties || !line.startsWith('PerSource'))
      .map((line) => `${line}\n`)
      .join(''),
    ...(isBare ? { namespace: { binds: [] } } : {}),
  });
}

function lineOf(key: GeneratedKey): string {
  return publicKeyLine({ type: 'ssh-ed25519', blob: key.publicKeyBlob });
}
