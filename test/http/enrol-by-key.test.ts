/** Rule 12 of OPENSSH.md: a machine enrols by its host key only against a fingerprint that was registered beforehand. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { enrolmentByKeyMessage, enrolmentReply } from '../../src/api/companions.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { registerFingerprint } from '../../src/inventory/enrolment-by-key.ts';
import { revokeCompanion } from '../../src/inventory/revoke-companion.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { fingerprint, publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig } from '../../src/ssh/sshsig.ts';
import { createShop } from '../inventory/shop.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
let key: GeneratedKey;
let companionId: string;
let name: string;
let count = 0;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  key = generateEd25519();
  count += 1;
  name = `machine-${count}`;
  companionId = await inTransaction(server.database.db, (tx) =>
    createCompanion(tx, {
      organizationId: server.shop.organizationId,
      kind: 'host',
      name,
      address: '192.0.2.10',
      port: 22,
      gatewayLogin: null,
      environmentIds: [],
    }),
  );
});

const register = (text = fingerprint(key.publicKeyBlob), id = companionId) =>
  inTransaction(server.database.db, (tx) => registerFingerprint(tx, id, text));
const lineOf = (one: GeneratedKey) => publicKeyLine({ type: 'ssh-ed25519', blob: one.publicKeyBlob });

async function nonceFor(one = key, as = name): Promise<string> {
  const body = { name: as, host_public_key: lineOf(one) };
  const reply = await server.call('POST', '/v1/companions/enrolment-nonces', { body });
  expect(reply.statusCode).toBe(200);
  return reply.json().nonce;
}

interface Changes {
  readonly signer?: GeneratedKey;
  readonly origin?: string;
  readonly namespace?: string;
  readonly signed?: string;
  /** Which machine the request says, and which the signature. */
  readonly asked?: string;
  readonly meant?: string;
}

async function bodyFor(nonce: string, one = key, changes: Changes = {}) {
  const { signer = one, origin = server.publicUrl.origin, signed = nonce, asked = name } = changes;
  return {
    name: asked,
    nonce,
    host_public_key: lineOf(one),
    signature: await signSshsig({
      message: enrolmentByKeyMessage(signed, origin, changes.meant ?? asked),
      namespace: changes.namespace ?? `enrol-by-key@${server.publicUrl.hostname}`,
      publicKeyBlob: signer.publicKeyBlob,
      sign: (bytes) => signWithKey(signer.privateKey, bytes),
    }),
  };
}

async function enrol(body: unknown): Promise<[number, string | undefined]> {
  const reply = await server.call('POST', '/v1/companions/enrol-by-key', { body });
  return [reply.statusCode, reply.json().code];
}

describe('enrolment by host key', () => {
  test('the key whose fingerprint was registered makes its machine what the record says', async () => {
    await register();
    const reply = await server.call('POST', '/v1/companions/enrol-by-key', {
      body: await bodyFor(await nonceFor()),
    });
    const enrolled = enrolmentReply.parse(reply.json());
    expect(enrolled).toMatchObject({ companion_id: companionId, name, kind: 'host' });
    const { credential } = enrolled;
    expect((await server.call('GET', '/v1/companions/state', { credential })).statusCode).toBe(200);
  });

  test('a nonce is good once, and for a key that enrolled already there is no second time', async () => {
    await register();
    const body = await bodyFor(await nonceFor());
    expect(await enrol(body)).toEqual([200, undefined]);
    expect(await enrol(body)).toEqual([403, 'enrolment_refused']);
    expect(await enrol(await bodyFor(await nonceFor()))).toEqual([403, 'enrolment_refused']);
  });

  test('of many at once with one nonce exactly one gets in', async () => {
    await register();
    const body = await bodyFor(await nonceFor());
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => enrol(body)));
    expect(outcomes.filter(([status]) => status === 200)).toHaveLength(1);
  });

  test('a nonce is good for five minutes', async () => {
    await register();
    const body = await bodyFor(await nonceFor());
    server.clock.now = new Date(server.clock.now.getTime() + 300_000);
    expect(await enrol(body)).toEqual([403, 'enrolment_refused']);
  });

  test('a key that nobody registered gets a nonce that looks the same, and is refused with it', async () => {
    const stranger = generateEd25519();
    const nonce = await nonceFor(stranger);
    expect(nonce).toHaveLength((await nonceFor()).length);
    expect(await enrol(await bodyFor(nonce, stranger))).toEqual([403, 'enrolment_refused']);
    const stored = await server.database.db.selectFrom('enrolment_nonces').select('companion_id').execute();
    expect(stored.filter((row) => row.companion_id === companionId)).toEqual([]);
  });

  test("another machine's nonce is refused", async () => {
    await register();
    const nonce = await nonceFor();
    const other = generateEd25519();
    expect(await enrol(await bodyFor(nonce, other))).toEqual([403, 'enrolment_refused']);
  });

  test('a signature for another server, nonce, purpose or by another key is none', async () => {
    await register();
    const nonce = await nonceFor();
    const wrong: Changes[] = [
      { origin: 'https://evil.example' },
      { signed: await nonceFor() },
      { meant: 'gate' },
      { namespace: `enrol@${server.publicUrl.hostname}` },
      { signer: generateEd25519() },
    ];
    for (const changes of wrong) {
      expect(await enrol(await bodyFor(nonce, key, changes))).toEqual([422, 'signature_invalid']);
    }
    expect(await enrol(await bodyFor(nonce))).toEqual([200, undefined]);
  });

  test('a machine becomes nobody else than it was told to, whoever has registered its key', async () => {
    const theirs = await inTransaction(server.database.db, async (tx) => {
      const { organizationId } = await createShop(tx, server.clock.now, {
        organization: 'globex',
        domain: 'globex.example',
        project: 'billing',
        gateway: 'bastion',
      });
      return await createCompanion(tx, {
        organizationId,
        kind: 'host',
        name: 'trap',
        address: '192.0.2.66',
        port: 22,
        gatewayLogin: null,
        environmentIds: [],
      });
    });
    await register(fingerprint(key.publicKeyBlob), theirs);
    expect(await enrol(await bodyFor(await nonceFor()))).toEqual([403, 'enrolment_refused']);
    const trapped = await nonceFor(key, 'trap');
    expect(await enrol(await bodyFor(trapped))).toEqual([403, 'enrolment_refused']);
    expect(await enrol(await bodyFor(trapped, key, { asked: 'trap', meant: name }))).toEqual([
      422,
      'signature_invalid',
    ]);
    // Nor does it keep the owner from registering it.
    await register();
    const reply = await server.call('POST', '/v1/companions/enrol-by-key', {
      body: await bodyFor(await nonceFor()),
    });
    expect(enrolmentReply.parse(reply.json())).toMatchObject({ companion_id: companionId, name });
  });

  test('a revoked machine does not come back by its key', async () => {
    await register();
    const nonce = await nonceFor();
    await inTransaction(server.database.db, (tx) =>
      revokeCompanion(tx, { companionId, by: 'operator' }, server.clock.now),
    );
    expect(await enrol(await bodyFor(nonce))).toEqual([403, 'enrolment_refused']);
    expect(await enrol(await bodyFor(await nonceFor()))).toEqual([403, 'enrolment_refused']);
  });

  test('nonces that nobody uses do not pile up', async () => {
    await register();
    for (let asked = 0; asked < 60; asked++) await nonceFor();
    const stored = await server.database.db
      .selectFrom('enrolment_nonces')
      .select('nonce_hash')
      .where('companion_id', '=', companionId)
      .execute();
    expect(stored.length).toBeLessThanOrEqual(50);
    expect(await enrol(await bodyFor(await nonceFor()))).toEqual([200, undefined]);
  });
});

describe('registering a fingerprint', () => {
  test.each(['', 'SHA256:short', 'MD5:aa:bb', `SHA256:${'a'.repeat(44)}`])('%j is none', async (text) => {
    await expect(register(text)).rejects.toMatchObject({ code: 'name_refused' });
  });

  test('one key is one machine', async () => {
    await register();
    const { gatewayId } = server.shop;
    await expect(register(fingerprint(key.publicKeyBlob), gatewayId)).rejects.toMatchObject({
      code: 'name_taken',
    });
  });

  test("a revoked machine's key may be registered for its successor", async () => {
    await register();
    await inTransaction(server.database.db, (tx) =>
      revokeCompanion(tx, { companionId, by: 'operator' }, server.clock.now),
    );
    await register(fingerprint(key.publicKeyBlob), server.shop.gatewayId);
    const body = await bodyFor(await nonceFor(key, 'gate'), key, { asked: 'gate' });
    expect(await enrol(body)).toEqual([200, undefined]);
  });

  test('it is recorded', async () => {
    await register();
    const events = await server.database.db
      .selectFrom('audit_events')
      .select('facts')
      .where('event', '=', 'companion.fingerprint_registered')
      .orderBy('id')
      .execute();
    expect(events.at(-1)?.facts).toEqual({ companion: name, fingerprint: fingerprint(key.publicKeyBlob) });
  });

  test('an enrolled machine is not made waiting by it', async () => {
    await register();
    await enrol(await bodyFor(await nonceFor()));
    await expect(register()).rejects.toMatchObject({ code: 'enrolment_refused' });
  });
});
