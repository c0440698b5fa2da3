/** What strangers are told of gateways and CAs: [seeds 38], with test/interop/host-identity.test.ts and its real ssh. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type SshInfo, sshInfo } from '../../src/api/ssh-info.ts';
import { rotateCaKey } from '../../src/ca/rotate-ca-key.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { fingerprint, parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { createShop, type Shop } from '../inventory/shop.ts';
import { enrolmentBody, startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
let other: Shop;
beforeAll(async () => {
  server = await startTestServer();
  other = await inTransaction(server.database.db, (tx) =>
    createShop(tx, server.clock.now, {
      organization: 'globex',
      domain: 'globex.example',
      project: 'billing',
      gateway: 'bastion',
    }),
  );
});
afterAll(() => server.close());

/** Enrols a machine with a key of its own and gives the key's blob. */
async function enrol(companionId: string): Promise<Buffer> {
  const key = generateEd25519();
  const token = await inTransaction(server.database.db, (tx) =>
    createEnrolmentToken(tx, companionId, { now: server.clock.now, lifetimeSeconds: 600 }),
  );
  const body = await enrolmentBody(token, server.publicUrl.hostname, key);
  expect((await server.call('POST', '/v1/companions/enrol', { body })).statusCode).toBe(200);
  return key.publicKeyBlob;
}

async function info(): Promise<SshInfo> {
  const [reply, same] = [await server.call('GET', '/ssh/info'), await server.call('GET', '/v1/ssh/info')];
  expect(reply.statusCode).toBe(200);
  expect(same.body).toBe(reply.body);
  expect(reply.headers['cache-control']).toBe('no-store');
  return sshInfo.parse(reply.json());
}

const setGateway = (id: string, columns: { host_names?: string[]; ports?: number[] }) =>
  server.database.db.updateTable('companions').set(columns).where('id', '=', id).execute();
const namesOf = async (id: string) =>
  parseCertificateLine(await server.authority.hostCertificateFor(id)).principals;

describe('what everybody may know', () => {
  test('is nothing of gateways that are not enrolled', async () => {
    expect((await info()).gateways).toEqual([]);
  });

  test('[seeds 38] is of each gateway where it is and by which key it is known, and the CAs, without a login', async () => {
    const { gatewayId } = server.shop;
    const hostKey = await enrol(gatewayId);
    await setGateway(gatewayId, { ports: [2222, 443], host_names: ['ssh.example.com'] });
    const { gateways, host_authorities, user_authorities, suffix } = await info();
    const row = await server.database.db
      .selectFrom('companions')
      .select(['name', 'address', 'port'])
      .where('id', '=', gatewayId)
      .executeTakeFirstOrThrow();
    expect(gateways).toEqual([
      {
        name: row.name,
        address: row.address,
        host_names: ['ssh.example.com'],
        ports: [row.port, 2222, 443],
        host_keys: [{ type: 'ssh-ed25519', fingerprint: fingerprint(hostKey) }],
      },
    ]);
    const [userKey, hostCa] = server.caKeys.map(({ publicKeyBlob }) => publicKeyBlob);
    const shown = (blob: Uint8Array = Buffer.alloc(0)) => ({
      type: 'ssh-ed25519',
      fingerprint: fingerprint(blob),
    });
    expect(user_authorities).toMatchObject([shown(userKey)]);
    expect(host_authorities).toMatchObject([shown(hostCa)]);
    const [authority] = host_authorities;
    expect(parsePublicKeyLine(authority?.public_key ?? '').blob).toEqual(hostCa);
    expect(authority?.known_hosts).toBe(
      `@cert-authority *.${suffix},ssh.example.com ssh-ed25519 ${hostCa?.toString('base64')} sallyport host CA ssh.example.com`,
    );
  });

  test('[seeds 38] is on a page too, in the same words', async () => {
    const reply = await server.call('GET', '/ssh', { headers: { accept: 'text/html' } });
    expect(reply.statusCode).toBe(200);
    const text = reply.body.replaceAll('&#43;', '+').replaceAll('&#47;', '/');
    const { gateways, host_authorities, user_authorities } = await info();
    const [gateway] = gateways;
    for (const words of [
      ...[...(gateway?.host_keys ?? []), ...host_authorities, ...user_authorities].map(
        (key) => key.fingerprint,
      ),
      ...host_authorities.map(({ known_hosts }) => known_hosts),
      '22, 2222, 443',
      'ssh.example.com',
    ]) {
      expect(text).toContain(words);
    }
  });

  test('names neither hosts nor instances, environments or organizations', async () => {
    const { db } = server.database;
    await db
      .insertInto('companions')
      .values({
        organization_id: server.shop.organizationId,
        kind: 'host',
        name: 'secret-host',
        address: '10.1.2.3',
        port: 22,
        host_key: generateEd25519().publicKeyBlob,
        enrolled_at: server.clock.now,
      })
      .execute();
    const replies = [await server.call('GET', '/ssh/info'), await server.call('GET', '/ssh')];
    for (const { body } of replies) {
      for (const word of ['secret-host', '10.1.2.3', 'shop', 'production', 'acme', 'globex']) {
        expect(body).not.toContain(word);
      }
    }
  });

  test('is without a gateway that was revoked', async () => {
    server.clock.now = new Date(server.clock.now.getTime() + 1000);
    await enrol(other.gatewayId);
    expect((await info()).gateways.map(({ name }) => name)).toContain('bastion');
    const revoked = { revoked_at: server.clock.now };
    await server.database.db
      .updateTable('companions')
      .set(revoked)
      .where('id', '=', other.gatewayId)
      .execute();
    expect((await info()).gateways.map(({ name }) => name)).not.toContain('bastion');
    await server.database.db
      .updateTable('companions')
      .set({ revoked_at: null })
      .where('id', '=', other.gatewayId)
      .execute();
  });

  test('takes nothing from the query', async () => {
    expect((await server.call('GET', '/ssh/info?organization=acme')).statusCode).toBe(400);
  });
});

describe('the names of a gateway', () => {
  test('are in its host certificate, so that several gateways share one', async () => {
    const gateway = await namesOf(server.shop.gatewayId);
    expect(gateway).toEqual([expect.stringMatching(/\.sallyport$/), 'ssh.example.com']);
  });

  test('are not those of another organization, whose machine was there before', async () => {
    await setGateway(server.shop.gatewayId, { host_names: ['ssh.example.com', 'ssh.nobody.test'] });
    await setGateway(other.gatewayId, {
      host_names: ['ssh.example.com', 'ssh.nobody.test', 'ssh.globex.example'],
    });
    expect(await namesOf(other.gatewayId)).toEqual(['bastion.sallyport', 'ssh.globex.example']);
    expect(await namesOf(server.shop.gatewayId)).toContain('ssh.nobody.test');
    await setGateway(server.shop.gatewayId, { host_names: ['ssh.example.com'] });
  });

  test('are not those below a domain of another organization, however old the machine', async () => {
    const newest = new Date(server.clock.now.getTime() + 60_000);
    const { db } = server.database;
    await db
      .updateTable('companions')
      .set({ enrolled_at: newest })
      .where('id', '=', server.shop.gatewayId)
      .execute();
    await setGateway(other.gatewayId, {
      host_names: [
        'ssh.example.com',
        'new.example.com',
        'example.com',
        'notexample.com',
        'ssh.globex.example',
      ],
    });
    expect(await namesOf(other.gatewayId)).toEqual([
      'bastion.sallyport',
      'notexample.com',
      'ssh.globex.example',
    ]);
    expect(await namesOf(server.shop.gatewayId)).toContain('ssh.example.com');
  });

  test('are in the line for everybody only below the domains of their own organization', async () => {
    await setGateway(other.gatewayId, { host_names: ['github.com', 'ssh.globex.example'] });
    const { gateways, host_authorities } = await info();
    expect(gateways.find(({ name }) => name === 'bastion')?.host_names).toEqual([
      'github.com',
      'ssh.globex.example',
    ]);
    const [, patterns] = host_authorities[0]?.known_hosts.split(' ') ?? [];
    expect(patterns?.split(',').sort()).toEqual(['*.sallyport', 'ssh.example.com', 'ssh.globex.example']);
  });

  test('are never below our own suffix, whatever the record says', async () => {
    await setGateway(other.gatewayId, {
      host_names: ['sallyport', 'web-1.sallyport', 'UPPER.example', 'a b', '*.example.com', 'fine.example'],
    });
    expect(await namesOf(other.gatewayId)).toEqual(['bastion.sallyport', 'fine.example']);
    expect((await info()).gateways.find(({ name }) => name === 'bastion')?.host_names).toEqual([
      'fine.example',
    ]);
  });
});

test('[seeds 40] while one CA key follows another, both are told: for TrustedUserCAKeys, and with their fingerprints', async () => {
  const before = await info();
  const change = { db: server.database.db, ...server.held, now: server.clock.now, by: 'olga@example.com' };
  const line = async () => (await server.call('GET', '/ssh/authority')).body.trimEnd().split('\n');
  const [old = ''] = await line();
  for (const purpose of ['user', 'host'] as const) await rotateCaKey(change, { purpose });
  await server.authority.hostCertificateFor(server.shop.gatewayId);
  const trusted = await line();
  expect(trusted).toHaveLength(2);
  expect(trusted[0]).toBe(old);
  const { user_authorities, host_authorities } = await info();
  expect(user_authorities.map(({ public_key }) => public_key)).toEqual(trusted);
  expect(host_authorities).toHaveLength(2);
  expect(user_authorities[0]).toEqual(before.user_authorities[0]);
  // The next one signs; the one before it is trusted still.
  await rotateCaKey(change, { purpose: 'user', now: true });
  expect(await line()).toEqual(trusted);
});
