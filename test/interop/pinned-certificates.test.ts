/** Certificates that are good only from where they were asked for: from the request behind a proxy to a real sshd. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { requestFor } from '../ca/sample-authority.ts';
import { hasSsh, TrustingMachine } from '../ca/trusting-machine.ts';
import { startTestServer, type TestPerson, type TestServer } from '../http/test-server.ts';
import { temporaryFolder } from './ssh-keygen.ts';

/** People come to sshd from 127.0.0.1; to the server from wherever its proxy says. */
describe.skipIf(!hasSsh)('a pinned certificate at a real sshd (needs openssh-server)', () => {
  const files = temporaryFolder();
  const sshd = new TrustingMachine(files);
  let server: TestServer;
  let admin: TestPerson;
  let alice: TestPerson;
  beforeAll(async () => {
    server = await startTestServer({ trustedProxies: ['127.0.0.1'] });
    admin = await server.person('admin', 'admin');
    alice = await server.person('alison', 'contributor');
    const [userKey] = server.caKeys;
    const { data } = await server.authority.currentKrl();
    await sshd.start(userKey?.publicKeyBlob ?? Buffer.alloc(0), data, [alice.account]);
  });
  afterAll(async () => {
    await sshd.stop();
    await server?.close();
  });

  async function pin(source_pinning: 'off' | 'address' | 'network'): Promise<void> {
    const reply = await server.call('POST', '/v1/organization/login-policy', {
      as: admin,
      body: { source_pinning },
    });
    expect(reply.statusCode).toBe(200);
  }

  /** @param from what the proxy says of who asks @param forged what the client wrote before that */
  async function asked(from: string, forged = '') {
    const key = generateEd25519();
    const body = await requestFor(server.authority, alice.sessionId, key);
    const headers = { 'x-forwarded-for': forged === '' ? from : `${forged}, ${from}` };
    const reply = await server.call('POST', '/v1/certificates', { as: alice, body, headers });
    expect(reply.statusCode).toBe(200);
    const { certificate } = reply.json();
    const { criticalOptions } = parseCertificateLine(certificate);
    const [option] = criticalOptions;
    return { from: option?.value, letIn: await sshd.letsIn({ key, certificate }) };
  }

  test('is not pinned until an admin says so', async () => {
    expect(await asked('198.51.100.7')).toEqual({ from: undefined, letIn: true });
  });

  test('to an address lets in from there alone, whatever a client writes into a header', async () => {
    await pin('address');
    expect(await asked('127.0.0.1')).toEqual({ from: '127.0.0.1', letIn: true });
    expect(await asked('198.51.100.7')).toEqual({ from: '198.51.100.7', letIn: false });
    expect(await asked('198.51.100.7', '127.0.0.1')).toEqual({ from: '198.51.100.7', letIn: false });
  });

  test('to a network lets in a neighbour, as behind a NAT or with an IPv6 privacy address', async () => {
    await pin('network');
    expect(await asked('127.0.0.200')).toEqual({ from: '127.0.0.0/24', letIn: true });
    expect(await asked('127.0.1.1')).toEqual({ from: '127.0.1.0/24', letIn: false });
    expect((await asked('2001:db8:0:7:aaaa::1')).from).toBe((await asked('2001:db8:0:7:bbbb::2')).from);
  });

  test('that was asked for over IPv6 is no good over IPv4', async () => {
    expect(await asked('::1')).toEqual({ from: '0:0:0:0::/64', letIn: false });
  });

  test('follows whoever has moved at the next renewal', async () => {
    await pin('address');
    expect((await asked('198.51.100.7')).letIn).toBe(false);
    expect((await asked('127.0.0.1')).letIn).toBe(true);
  });

  test('lets in through a gateway, which the target sees', async () => {
    await server.enrol();
    await server.database.db
      .updateTable('companions')
      .set({ source_address: '127.0.0.1' })
      .where('id', '=', server.shop.gatewayId)
      .execute();
    expect(await asked('198.51.100.7')).toEqual({ from: '198.51.100.7,127.0.0.1', letIn: true });
  });
});
