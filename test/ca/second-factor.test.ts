import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readClaims, vouchedBy } from '../../src/api/read-claims.ts';
import type { NewSession } from '../../src/sessions/start-session.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import {
  domain,
  issuer,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startSeconds,
} from './sample-authority.ts';

const publicOrigin = `https://${domain}`;

let database: FreshDatabase;
let sample: SampleAuthority;
beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
});
afterAll(() => database.close());
beforeEach(() => policy({ mfa_required: false, mfa_max_age_seconds: null, machine_access: true }));

async function policy(change: {
  mfa_required?: boolean;
  mfa_max_age_seconds?: number | null;
  machine_access?: boolean;
}): Promise<void> {
  await database.db.updateTable('organizations').set(change).execute();
}

let count = 0;
async function ask(session: Partial<NewSession>) {
  count += 1;
  const { sessionId } = await sample.person(`person-${count}`, session);
  const request = await requestFor(sample.authority, sessionId);
  return await sample.authority.issueUserCertificate({ sessionId, request });
}

const at = (secondsAgo: number) => new Date((startSeconds - secondsAgo) * 1000);
const without = { mfa: false, amr: ['pwd'] };
const byPasskey = (secondsAgo: number) => ({
  amr: ['pwd'],
  authTime: at(7200),
  mfa: true,
  mfaBy: 'passkey' as const,
  mfaMethods: ['hwk', 'user', 'mfa'],
  mfaTime: at(secondsAgo),
});

describe('a certificate says who vouched for the second factor', () => {
  test('the server, for a passkey: its methods and its time, beside those of the login', async () => {
    const certificate = parseCertificateLine((await ask(byPasskey(30))).certificate);
    const { claims, mfa } = readClaims(certificate, domain);
    expect(mfa).toEqual({ v: 1, methods: ['hwk', 'user', 'mfa'], by: publicOrigin, time: startSeconds - 30 });
    expect(claims).toMatchObject({ amr: ['pwd'], auth_time: startSeconds - 7200 });
    expect(vouchedBy(mfa, publicOrigin)).toBe('passkey');
  });

  test('the identity provider, for its own: at the time of the login', async () => {
    const mfaMethods = ['otp'];
    const login = { mfa: true, mfaBy: 'provider' as const, mfaMethods, authTime: at(60), mfaTime: at(60) };
    const { mfa } = readClaims(parseCertificateLine((await ask(login)).certificate), domain);
    expect(mfa).toEqual({ v: 1, methods: ['otp'], by: issuer });
    expect(vouchedBy(mfa, publicOrigin)).toBe('provider');
  });

  test('nobody, where there was none', async () => {
    const { mfa } = readClaims(parseCertificateLine((await ask(without)).certificate), domain);
    expect([mfa, vouchedBy(mfa, publicOrigin)]).toEqual([undefined, null]);
  });
});

describe('where the organization requires a second factor', () => {
  test('a login without one gets no certificate, but the challenge of RFC 9470', async () => {
    await policy({ mfa_required: true });
    await expect(ask(without)).rejects.toMatchObject({
      code: 'insufficient_user_authentication',
      members: { acr_values: 'mfa', reasons: ['mfa_missing'], command: 'sally login --mfa' },
    });
  });

  test('so does one whose factor is too old, by the time of the factor', async () => {
    await policy({ mfa_required: true, mfa_max_age_seconds: 900 });
    await expect(ask(byPasskey(901))).rejects.toMatchObject({
      code: 'insufficient_user_authentication',
      members: { acr_values: 'mfa', max_age: 900, reasons: ['mfa_too_old'] },
    });
    expect((await ask(byPasskey(899))).serial).toBeDefined();
  });

  test('nobody is sent to a second factor where that alone would not help', async () => {
    await policy({ mfa_required: true });
    await database.db.updateTable('organizations').set({ ssh_enabled: false }).execute();
    await expect(ask(without)).rejects.toMatchObject({
      code: 'access_denied',
      members: { reasons: ['ssh_disabled', 'mfa_missing'], command: null },
    });
    await database.db.updateTable('organizations').set({ ssh_enabled: true }).execute();
  });

  test('machines are asked for none, and barred by a switch of their own', async () => {
    await policy({ mfa_required: true });
    expect((await ask({ ...without, kind: 'ci' })).serial).toBeDefined();
    await policy({ machine_access: false });
    await expect(ask({ ...without, kind: 'ci' })).rejects.toMatchObject({
      code: 'access_denied',
      members: { reasons: ['machines_refused'] },
    });
  });
});
