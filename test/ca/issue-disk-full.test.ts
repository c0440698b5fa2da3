import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import type { IssuingAlarm } from '../../src/ca/issuing-alarm.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { isSallyportError } from '../../src/errors/sallyport-error.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { completeEnrolment } from '../../src/inventory/enrolment.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import {
  certificatesOf,
  domain,
  heldInMemory,
  memorySigner,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startTime,
} from './sample-authority.ts';

let database: FreshDatabase;
let sample: SampleAuthority;
let authority: Awaited<ReturnType<typeof createCertificateAuthority>>;
let signatures = 0;
const alarms: IssuingAlarm[] = [];

beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
  const counting = (signer: ReturnType<typeof memorySigner>) => ({
    ...signer,
    sign: (bytes: Uint8Array) => {
      signatures += 1;
      return signer.sign(bytes);
    },
  });
  authority = await createCertificateAuthority({
    database,
    ...heldInMemory({ user: counting(memorySigner(sample.userKey)), host: counting(sample.hostSigner) }),
    domain,
    clock: () => startTime,
    onAlarm: (alarm) => alarms.push(alarm),
  });
});
afterAll(async () => {
  await authority.close();
  await database.close();
});

/** Every write of the audit log fails as Postgres fails when the disk is full; all else can be written. */
async function fillDisk(): Promise<void> {
  await sql
    .raw(`
      create function no_room() returns trigger language plpgsql as $$ begin
        raise exception 'could not extend file "base/16384/16650": No space left on device'
          using errcode = 'disk_full', hint = 'Check free disk space.';
      end $$;
      create trigger no_room before insert on audit_events execute function no_room();
    `)
    .execute(database.db);
}

async function makeRoom(): Promise<void> {
  await sql.raw('drop trigger no_room on audit_events; drop function no_room()').execute(database.db);
}

async function usedChallenges(): Promise<number> {
  const rows = await database.db
    .selectFrom('possession_challenges')
    .select('used_at')
    .where('used_at', 'is not', null)
    .execute();
  return rows.length;
}

async function refusal(attempt: Promise<unknown>) {
  const error = await attempt.catch((thrown) => thrown);
  if (!isSallyportError(error)) throw error ?? new Error('nothing was refused');
  return { code: error.code, message: error.message };
}

test('[abuse 135] an audit log that can’t be written stops all issuing, says why, and raises one alarm', async () => {
  const people = await Promise.all(['ann', 'ben', 'cy'].map((name) => sample.person(name)));
  const asked = await Promise.all(
    people.map(async ({ sessionId }) => ({ sessionId, request: await requestFor(authority, sessionId) })),
  );
  const companionId = await enrolledGateway();
  const used = await usedChallenges();

  await fillDisk();
  // One alone, then three that come together; and a machine.
  const refusals = [await refusal(authority.issueUserCertificate(asked[0] ?? fail()))];
  refusals.push(...(await Promise.all(asked.map((one) => refusal(authority.issueUserCertificate(one))))));
  refusals.push(await refusal(authority.issueHostCertificate(companionId)));
  for (const { code, message } of refusals) {
    expect(code).toBe('database_unavailable');
    expect(message).toContain("The database's disk is full");
  }
  for (const { sessionId } of people) expect(await certificatesOf(database, sessionId)).toBe(0);
  expect(await usedChallenges()).toBe(used);
  expect(signatures).toBe(0);
  expect(alarms).toEqual([
    {
      alarm: 'issuing_stopped',
      code: 'database_unavailable',
      detail: expect.stringContaining('53100: could not extend file'),
      failed: 1,
    },
  ]);

  await makeRoom();
  for (const one of asked) await authority.issueUserCertificate(one);
  expect(alarms.slice(1)).toEqual([expect.objectContaining({ alarm: 'issuing_resumed', failed: 4 })]);
});

test('a request that is refused for its own sake raises no alarm', async () => {
  const before = alarms.length;
  const { sessionId } = await sample.person('dan');
  const request = await requestFor(authority, sessionId);
  await authority.issueUserCertificate({ sessionId, request });
  const again = { ...request, public_key: 'ssh-ed25519 AAAA' };
  expect((await refusal(authority.issueUserCertificate({ sessionId, request: again }))).code).toBe(
    'key_malformed',
  );
  expect(alarms).toHaveLength(before);
});

async function enrolledGateway(): Promise<string> {
  return await inTransaction(database.db, async (tx) => {
    const companionId = await createCompanion(tx, {
      organizationId: sample.organizationId,
      kind: 'gateway',
      name: 'gate',
      address: '127.0.0.1',
      port: 22,
      gatewayLogin: null,
      environmentIds: [],
    });
    const { publicKeyBlob } = generateEd25519();
    const enrolment = { hostKey: publicKeyBlob, credentialHash: generateEd25519().publicKeyBlob };
    await completeEnrolment(tx, companionId, enrolment, startTime);
    return companionId;
  });
}

function fail(): never {
  throw new Error('there is none');
}
