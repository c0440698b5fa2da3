/** Certificates that are good for one machine alone, from the request to what companions and gateways make of them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CertificateRequest, certificateRequest } from '../../src/api/certificates.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { isSallyportError } from '../../src/errors/sallyport-error.ts';
import { type OfferChecks, principalOf, readOffer } from '../../src/gateway/offered-certificate.ts';
import { revokeCompanion } from '../../src/inventory/revoke-companion.ts';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { parseKrl } from '../../src/ssh/parse-krl.ts';
import { fingerprint } from '../../src/ssh/public-key.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { sshKeygenOutput } from '../interop/ssh-keygen.ts';
import { enrolled, type HopInventory, hopInventory, hopRequest } from './hop-inventory.ts';
import {
  domain,
  type Person,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startSeconds,
} from './sample-authority.ts';

let database: FreshDatabase;
let sample: SampleAuthority;
let inventory: HopInventory;
let alice: Person;

beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
  alice = await sample.person('alice');
  inventory = await hopInventory(sample, alice.accountId);
});
afterAll(() => database.close());

async function hostKeyOf(id: string): Promise<string> {
  const row = await database.db
    .selectFrom('companions')
    .select('host_key')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  return fingerprint(row.host_key ?? Buffer.alloc(0));
}

async function ask({ sessionId }: Person, machine: string, earlier?: CertificateRequest) {
  const asked = earlier ?? (await requestFor(sample.authority, sessionId, generateEd25519()));
  return await sample.authority.issueUserCertificate({ sessionId, request: { ...asked, machine } });
}

const refusal = (attempt: Promise<unknown>) =>
  attempt.then(
    () => undefined,
    ({ code, members }) => ({ code, reasons: members?.reasons }),
  );

function nothingRevoked() {
  const { publicKeyBlob: caPublicKey } = sample.userKey;
  return {
    version: 1n,
    comment: '',
    generatedAt: 0n,
    sections: [{ kind: 'certificates' as const, caPublicKey, serials: [1n] }],
  };
}

function offer(line: string, machine: string): string {
  const { blob } = parseCertificateLine(line);
  const checks: OfferChecks = {
    authorities: [sample.userKey.publicKeyBlob],
    hopAuthorities: [],
    machine,
    krl: parseKrl(encodeKrl(nothingRevoked())),
    domain,
    publicOrigin: 'https://ca.example.com',
    nowSeconds: startSeconds,
  };
  try {
    return principalOf(readOffer(blob.toString('base64'), checks), machine);
  } catch (error) {
    if (isSallyportError(error)) return error.message;
    throw error;
  }
}

describe('a certificate for one machine', () => {
  test('names the machine and nobody else, for five minutes', async () => {
    const reply = await ask(alice, await hostKeyOf(inventory.hostId));
    expect(reply.principals).toEqual(['at:web-1']);
    expect(reply.valid_before).toBe(startSeconds + 300);
    const { keyId, extensions } = parseCertificateLine(reply.certificate);
    expect(keyId).toBe(`alice@example.com/${alice.sessionId}`);
    const claims = JSON.parse(extensions.find(({ name }) => name === `claims@${domain}`)?.value ?? '{}');
    expect(claims).toMatchObject({ sub: 'alice@example.com', machine: 'web-1', mode: 'interactive' });
    const row = await database.db
      .selectFrom('certificates')
      .select(['companion_id', 'decision'])
      .where('serial', '=', reply.serial)
      .executeTakeFirstOrThrow();
    expect(row).toMatchObject({ companion_id: inventory.hostId, decision: { machine: 'web-1' } });
  });

  test('is refused by every companion but its own, which lets in that name', async () => {
    const { certificate } = await ask(alice, await hostKeyOf(inventory.hostId));
    expect(offer(certificate, 'web-1')).toBe('at:web-1');
    expect(offer(certificate, 'web-2')).toBe('The offered certificate is for another machine.');
    expect(offer(certificate, 'gate-1')).toBe('The offered certificate is for another machine.');
    const { sessionId } = alice;
    const request = await requestFor(sample.authority, sessionId, generateEd25519());
    const general = await sample.authority.issueUserCertificate({ sessionId, request });
    expect(offer(general.certificate, 'web-2')).toBe('alice@example.com');
  });

  test('brings nobody through another gateway', async () => {
    const other = await inTransaction(database.db, (tx) =>
      enrolled(tx, sample, {
        kind: 'gateway',
        name: 'gate-2',
        address: '192.0.2.20',
        environmentIds: [inventory.environmentId],
      }),
    );
    const { certificate } = await ask(alice, await hostKeyOf(inventory.gatewayId));
    const hop = async (companionId: string, source_certificate: string) =>
      await sample.authority.issueHopCertificate({
        companionId,
        request: await hopRequest(companionId, { source_certificate, target: inventory.targetName }),
      });
    expect((await hop(inventory.gatewayId, certificate)).certificate).toContain('ssh-ed25519-cert-v01');
    expect(await refusal(hop(other, certificate))).toMatchObject({ code: 'certificate_refused' });
    const ofHost = await ask(alice, await hostKeyOf(inventory.hostId));
    expect(await refusal(hop(inventory.gatewayId, ofHost.certificate))).toMatchObject({
      code: 'certificate_refused',
    });
  });

  test('is refused alike where there is no such machine, and where the person sees nothing behind it', async () => {
    const nobody = fingerprint(generateEd25519().publicKeyBlob);
    const empty = await inTransaction(database.db, (tx) =>
      enrolled(tx, sample, { kind: 'host', name: 'empty' }),
    );
    const bob = await sample.person('bob');
    const unknown = { code: 'access_denied', reasons: ['machine_unknown'] };
    expect(await refusal(ask(alice, nobody))).toEqual(unknown);
    expect(await refusal(ask(alice, await hostKeyOf(empty)))).toEqual(unknown);
    expect(await refusal(ask(bob, await hostKeyOf(inventory.hostId)))).toEqual(unknown);
  });

  test('is none where two machines share the host key: it would be good at one of them, and nobody knows which', async () => {
    const [id, copy] = await inTransaction(database.db, async (tx) => {
      const environmentIds = [inventory.environmentId];
      const place = { kind: 'gateway', address: '192.0.2.40', environmentIds } as const;
      const first = await enrolled(tx, sample, { ...place, name: 'gate-4' });
      return [first, await enrolled(tx, sample, { ...place, name: 'gate-5' })] as const;
    });
    const key = await hostKeyOf(id);
    expect((await ask(alice, key)).principals).toEqual(['at:gate-4']);
    await database.db
      .updateTable('companions')
      .set(({ selectFrom }) => ({
        host_key: selectFrom('companions as first').select('first.host_key').where('first.id', '=', id),
      }))
      .where('id', '=', copy)
      .execute();
    expect(await refusal(ask(alice, key))).toMatchObject({ reasons: ['machine_unknown'] });
  });

  test('comes again for the same request, and for no other machine by it', async () => {
    const request = await requestFor(sample.authority, alice.sessionId, generateEd25519());
    const [host, gateway] = [await hostKeyOf(inventory.hostId), await hostKeyOf(inventory.gatewayId)];
    const first = await ask(alice, host, request);
    expect((await ask(alice, host, request)).serial).toBe(first.serial);
    expect(await refusal(ask(alice, gateway, request))).toMatchObject({ code: 'request_malformed' });
    const { sessionId } = alice;
    const general = sample.authority.issueUserCertificate({ sessionId, request });
    expect(await refusal(general)).toMatchObject({ code: 'request_malformed' });
  });

  test('excludes an environment, and wants a fingerprint', async () => {
    const request = await requestFor(sample.authority, alice.sessionId);
    const machine = fingerprint(generateEd25519().publicKeyBlob);
    expect(certificateRequest.safeParse({ ...request, machine }).success).toBe(true);
    const environment = { project: 'shop', environment: 'production' };
    expect(certificateRequest.safeParse({ ...request, machine, environment }).success).toBe(false);
    expect(certificateRequest.safeParse({ ...request, machine: 'web-1' }).success).toBe(false);
  });

  test('is revoked with its machine, of which none is given any more', async () => {
    const id = await inTransaction(database.db, (tx) =>
      enrolled(tx, sample, {
        kind: 'gateway',
        name: 'gate-3',
        address: '192.0.2.30',
        environmentIds: [inventory.environmentId],
      }),
    );
    const key = await hostKeyOf(id);
    const { serial } = await ask(alice, key);
    await inTransaction(database.db, (tx) =>
      revokeCompanion(tx, { companionId: id, by: 'test@example.com' }, sample.clock.now),
    );
    const revoked = await database.db
      .selectFrom('revoked_serials')
      .select('serial')
      .where('serial', '=', serial)
      .execute();
    expect(revoked).toHaveLength(1);
    expect(await refusal(ask(alice, key))).toMatchObject({ reasons: ['machine_unknown'] });
  });
});

test('ssh-keygen reads it as it is meant', async () => {
  const { certificate } = await ask(alice, await hostKeyOf(inventory.hostId));
  const shown = sshKeygenOutput(['-L', '-f', '-'], certificate);
  expect(shown).toMatch(/Principals: \n +at:web-1\n/);
});
