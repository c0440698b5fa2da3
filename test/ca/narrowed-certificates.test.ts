/** Certificates that are narrowed to one environment, from the request to what OpenSSH reads in them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CertificateRequest } from '../../src/api/certificates.ts';
import { revokeUntrueCertificates } from '../../src/ca/revoke-untrue-certificates.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createAccessRule } from '../../src/inventory/access-rules.ts';
import { createEnvironment } from '../../src/inventory/environment.ts';
import { createProject } from '../../src/inventory/project.ts';
import type { Role } from '../../src/policy/facts.ts';
import type { NewSession } from '../../src/sessions/start-session.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { type Person, requestFor, type SampleAuthority, sampleAuthority } from './sample-authority.ts';

let database: FreshDatabase;
let sample: SampleAuthority;
const production = { project: 'shop', environment: 'production' };
beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
  await inTransaction(database.db, async (tx) => {
    const projectId = await createProject(tx, { organizationId: sample.organizationId, slug: 'shop' });
    const production = { projectId, slug: 'production', kind: 'production' as const };
    await createEnvironment(tx, { ...production, mfaRequired: true, mfaMaxAgeSeconds: 900 });
    await createEnvironment(tx, { projectId, slug: 'staging', kind: 'staging' });
  });
});
afterAll(() => database.close());

async function personWith(name: string, role: Role, session: Partial<NewSession> = {}): Promise<Person> {
  const person = await sample.person(name, session);
  const { organizationId } = sample;
  const subject = { accountId: person.accountId };
  await inTransaction(database.db, (tx) => createAccessRule(tx, { organizationId, subject, role }));
  return person;
}

async function ask(
  { sessionId }: Person,
  environment: CertificateRequest['environment'],
  request?: CertificateRequest,
) {
  const asked = request ?? (await requestFor(sample.authority, sessionId, generateEd25519()));
  return await sample.authority.issueUserCertificate({
    sessionId,
    request: environment === undefined ? asked : { ...asked, environment },
  });
}

const refusal = (attempt: Promise<unknown>) =>
  attempt.then(
    () => undefined,
    ({ code, message, members }) => ({ code, message, members }),
  );

describe('a certificate that is narrowed to an environment', () => {
  test('[seeds 2] names the roles there, and ends with the second factor that the environment wants', async () => {
    const alice = await personWith('alice', 'contributor');
    const { principals, valid_after, valid_before } = await ask(alice, production);
    expect(principals).toEqual([
      'alice@example.com',
      'mfa:alice@example.com',
      'role:example:shop:production:viewer',
      'role:example:shop:production:contributor',
      'mfa:role:example:shop:production:viewer',
      'mfa:role:example:shop:production:contributor',
    ]);
    // The second factor is a minute old and may be fifteen; a certificate starts a minute ago.
    expect(valid_before - valid_after).toBe(15 * 60);
    const general = await ask(alice, undefined);
    expect(general.principals).toEqual(['alice@example.com', 'mfa:alice@example.com']);
    expect(general.valid_before - general.valid_after).toBe(61 * 60);
  });

  test('is refused alike where there is no such environment, no such project and no role', async () => {
    const bob = await sample.person('bob');
    const unknown = await refusal(ask(bob, { project: 'shop', environment: 'nowhere' }));
    expect(unknown).toMatchObject({ code: 'access_denied', members: { reasons: ['environment_unknown'] } });
    expect(await refusal(ask(bob, production))).toEqual(unknown);
    expect(await refusal(ask(bob, { project: 'nothing', environment: 'production' }))).toEqual(unknown);
  });

  test('is refused without the second factor, in the words of a step-up', async () => {
    const carol = await personWith('carol', 'admin', { mfa: false, mfaBy: null, amr: ['pwd'] });
    expect(await refusal(ask(carol, production))).toMatchObject({
      code: 'insufficient_user_authentication',
      message: expect.stringContaining('Run: sally login --mfa --max-age 900'),
      members: { acr_values: 'mfa', max_age: 900, reasons: ['mfa_missing'] },
    });
    const staging = await ask(carol, { project: 'shop', environment: 'staging' });
    expect(staging.principals).toEqual([
      'carol@example.com',
      'role:example:shop:staging:viewer',
      'role:example:shop:staging:contributor',
      'role:example:shop:staging:admin',
    ]);
  });

  test('is given again for the same request, and not for a request that was about something else', async () => {
    const dave = await personWith('dave', 'viewer');
    const request = await requestFor(sample.authority, dave.sessionId, generateEd25519());
    const first = await ask(dave, production, request);
    expect((await ask(dave, production, request)).serial).toBe(first.serial);
    const other = { code: 'request_malformed', message: expect.stringContaining('with other roles') };
    expect(await refusal(ask(dave, undefined, request))).toMatchObject(other);
    expect(await refusal(ask(dave, { project: 'shop', environment: 'staging' }, request))).toMatchObject(
      other,
    );
  });

  test('goes with others in one group, each with its own', async () => {
    const people = await Promise.all(
      (['viewer', 'contributor', 'admin'] as const).map((role) => personWith(`of-${role}`, role)),
    );
    const replies = await Promise.all(
      people.flatMap((person) => [ask(person, production), ask(person, undefined)]),
    );
    expect(replies.map(({ principals }) => principals.length)).toEqual([4, 2, 6, 2, 8, 2]);
  });
});

describe('a narrowed certificate that is looked at again', () => {
  const revokedSerials = async () => {
    const rows = await database.db.selectFrom('revoked_serials').select('serial').execute();
    return rows.map(({ serial }) => serial);
  };
  const look = () => revokeUntrueCertificates(database.db, sample.clock.now);

  test('stays as long as it is true, and is revoked once when it is not: it alone', async () => {
    const [frank, grace] = [
      await personWith('frank', 'contributor'),
      await personWith('grace', 'contributor'),
    ];
    const narrowed = await ask(frank, production);
    const general = await ask(frank, undefined);
    const others = await ask(grace, production);
    expect(await look()).toBe(0);
    await database.db.deleteFrom('access_rules').where('account_id', '=', frank.accountId).execute();
    expect(await look()).toBe(1);
    const revoked = await revokedSerials();
    expect(revoked).toContain(narrowed.serial);
    for (const { serial } of [general, others]) expect(revoked).not.toContain(serial);
    const events = await database.db
      .selectFrom('audit_events')
      .select(['account_id', 'facts'])
      .where('event', '=', 'certificate.revoked')
      .execute();
    expect(events).toMatchObject([
      { account_id: frank.accountId, facts: { serial: narrowed.serial, reason: 'no longer true' } },
    ]);
    expect(await look()).toBe(0);
  });

  test('does not outlive a switch', async () => {
    const heidi = await personWith('heidi', 'admin');
    const { serial } = await ask(heidi, { project: 'shop', environment: 'staging' });
    const off = (ssh_enabled: boolean) => database.db.updateTable('projects').set({ ssh_enabled }).execute();
    await off(false);
    expect(await look()).toBeGreaterThan(0);
    await off(true);
    expect(await revokedSerials()).toContain(serial);
  });
});

describe('a certificate of an organization that pins them', () => {
  const asked = async (clientAddress?: string) => {
    const { sessionId } = await sample.person(`pinned-${Math.random().toString(36).slice(2)}`);
    const request = await requestFor(sample.authority, sessionId, generateEd25519());
    return await sample.authority.issueUserCertificate({
      sessionId,
      request,
      ...(clientAddress ? { clientAddress } : {}),
    });
  };
  const optionsOf = async (serial: string) => {
    const row = await database.db
      .selectFrom('certificates')
      .select('decision')
      .where('serial', '=', serial)
      .executeTakeFirstOrThrow();
    return row.decision['sources'];
  };
  const pin = (source_pinning: 'off' | 'address' | 'network') =>
    database.db.updateTable('organizations').set({ source_pinning }).execute();

  test('is good from the address that asked, or its network, and through a gateway', async () => {
    await database.db
      .insertInto('companions')
      .values({
        organization_id: sample.organizationId,
        kind: 'gateway',
        name: 'gate',
        address: '198.51.100.1',
        port: 22,
        enrolled_at: sample.clock.now,
      })
      .execute();
    await pin('address');
    expect(await optionsOf((await asked('192.0.2.7')).serial)).toEqual(['192.0.2.7', '198.51.100.1']);
    await pin('network');
    expect(await optionsOf((await asked('2001:db8:0:7:aaaa::1')).serial)).toEqual([
      '2001:db8:0:7::/64',
      '198.51.100.1',
    ]);
    expect(await refusal(asked())).toMatchObject({ members: { reasons: ['source_refused'] } });
    await pin('off');
    expect(await optionsOf((await asked('192.0.2.7')).serial)).toEqual([]);
  });
});
