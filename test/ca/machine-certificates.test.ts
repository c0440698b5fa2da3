import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificateClaims } from '../../src/api/claims.ts';
import { createApiToken } from '../../src/credentials/create-api-token.ts';
import { revokeApiToken } from '../../src/credentials/revoke-api-token.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import type { NewSession } from '../../src/sessions/start-session.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { domain, requestFor, type SampleAuthority, sampleAuthority } from './sample-authority.ts';

let database: FreshDatabase;
let sample: SampleAuthority;
beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
});
afterAll(() => database.close());

const machine = { mfa: false, mfaBy: null, amr: [] } as const;

async function issued(name: string, session: Partial<NewSession>) {
  const person = await sample.person(name, { ...machine, ...session });
  const request = await requestFor(sample.authority, person.sessionId, generateEd25519());
  const { certificate: line } = await sample.authority.issueUserCertificate({
    sessionId: person.sessionId,
    request,
  });
  const certificate = parseCertificateLine(line);
  const claims = certificate.extensions.find((one) => one.name === `claims@${domain}`)?.value ?? '';
  return { certificate, claims: certificateClaims.parse(JSON.parse(claims)), person };
}

async function tokenOf(name: string, sourceRanges: string[]) {
  const now = sample.clock.now;
  const { accountId } = await sample.person(name);
  const { organizationId } = sample;
  const creator = { accountId, account: `${name}@example.com`, organizationId, role: null };
  const expiresAt = new Date(now.getTime() + 86_400_000);
  return await inTransaction(database.db, (tx) =>
    createApiToken(tx, { creator, name: randomUUID(), roleLimit: 'viewer', sourceRanges, expiresAt }, now),
  );
}

describe('a certificate of an API token or a CI job', () => {
  test.each(['token', 'ci'] as const)(
    'says that it is of a %s, with its role, and nothing of MFA',
    async (kind) => {
      const { certificate, claims } = await issued(`robot-${kind}`, { kind, roleLimit: 'viewer' });
      expect(claims).toMatchObject({ mode: kind, max_role: 'viewer', amr: [] });
      expect(certificate.principals).toEqual([`robot-${kind}@example.com`]);
      expect(certificate.extensions.map(({ name }) => name)).not.toContain(`mfa@${domain}`);
      expect(certificate.criticalOptions).toEqual([]);
    },
  );

  test.each(['token', 'ci'] as const)(
    'holds no MFA for a %s even if its session should claim one',
    async (kind) => {
      const { certificate } = await issued(`liar-${kind}`, {
        kind,
        mfa: true,
        mfaBy: 'provider',
        amr: ['mfa'],
      });
      expect(certificate.principals).toEqual([`liar-${kind}@example.com`]);
      expect(certificate.extensions.map(({ name }) => name)).not.toContain(`mfa@${domain}`);
    },
  );

  test("is bound to the token's source ranges, and to the gateways that a jump comes through", async () => {
    const { token } = await tokenOf('bound', ['192.0.2.0/24', '2001:db8::/32']);
    const gateway = (name: string, address: string, source_address: string | null = null) => ({
      organization_id: sample.organizationId,
      kind: 'gateway' as const,
      name,
      address,
      port: 22,
      source_address,
      enrolled_at: sample.clock.now,
    });
    await database.db
      .insertInto('companions')
      .values([
        gateway('named', 'gate.example.com'),
        gateway('numbered', '198.51.100.1'),
        gateway('same', 'gate2.example.com', '198.51.100.1'),
        gateway('within', '192.0.2.9'),
        { ...gateway('revoked', '203.0.113.1'), revoked_at: sample.clock.now },
      ])
      .execute();
    const { certificate } = await issued('bound2', { kind: 'token', credentialId: token.id });
    expect(certificate.criticalOptions).toEqual([
      { name: 'source-address', value: '192.0.2.0/24,2001:db8::/32,198.51.100.1' },
    ]);
  });

  test('is not bound where the token is not', async () => {
    const { token } = await tokenOf('free', []);
    const { certificate } = await issued('free2', { kind: 'token', credentialId: token.id });
    expect(certificate.criticalOptions).toEqual([]);
  });

  test('is revoked with its token', async () => {
    const { token } = await tokenOf('gone', []);
    const { certificate } = await issued('gone2', { kind: 'token', credentialId: token.id });
    const within = { organizationId: sample.organizationId };
    await inTransaction(database.db, (tx) =>
      revokeApiToken(tx, { id: token.id, within, by: 'test@example.com' }, sample.clock.now),
    );
    const revoked = await database.db
      .selectFrom('revoked_serials')
      .select('serial')
      .where('serial', '=', String(certificate.serial))
      .execute();
    expect(revoked).toHaveLength(1);
  });

  test('is refused where the organization wants people only', async () => {
    await database.db.updateTable('organizations').set({ machine_access: false }).execute();
    await expect(issued('unwanted', { kind: 'ci' })).rejects.toMatchObject({
      code: 'access_denied',
      members: { reasons: ['machines_refused'], command: null },
    });
    await database.db.updateTable('organizations').set({ machine_access: true }).execute();
  });
});
