import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { revokeCompanion } from '../../src/inventory/revoke-companion.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { lockAwaited } from '../database/lock-awaited.ts';
import { enrolled, gatewayAddress, hopInventory, hopRequest, sourceCertificate } from './hop-inventory.ts';
import { refusalCode, type SampleAuthority, sampleAuthority, startTime } from './sample-authority.ts';

describe.skipIf(!hasPostgres)('who is revoked while a hop certificate is being issued', () => {
  let database: FreshDatabase;
  let sample: SampleAuthority;
  let accountId: string;
  let environmentId: string;
  let targetName: string;
  /** New ones for each test. */
  let sessionId: string;
  let gatewayId: string;
  let gateways = 0;

  beforeAll(async () => {
    database = await freshDatabase();
    sample = await sampleAuthority(database);
    ({ accountId } = await sample.person('alice'));
    ({ environmentId, targetName } = await hopInventory(sample, accountId));
  });
  afterAll(() => database.close());
  beforeEach(async () => {
    ({ sessionId } = await sample.login(accountId));
    const gateway = { kind: 'gateway' as const, name: `gate-race-${gateways++}`, address: gatewayAddress };
    gatewayId = await inTransaction(database.db, (tx) =>
      enrolled(tx, sample, { ...gateway, environmentIds: [environmentId] }),
    );
  });

  const revocations: [string, (tx: Tx) => Promise<unknown>, string][] = [
    [
      'the session',
      (tx) => endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, startTime),
      'session_ended',
    ],
    [
      'the gateway',
      (tx) => revokeCompanion(tx, { companionId: gatewayId, by: 'test' }, startTime),
      'enrolment_refused',
    ],
  ];

  async function asking() {
    const source_certificate = await sourceCertificate(sample, sessionId);
    const request = await hopRequest(gatewayId, { source_certificate, target: targetName });
    return { companionId: gatewayId, request };
  }

  test.each(revocations)(
    '%s: the revocation waits for the certificate and lists it',
    async (_what, revoke) => {
      const asked = await asking();
      const [issuing, revoking] = await inTransaction(database.db, async (tx) => {
        // Stops issuing between its look at who asks and the storing of the certificate.
        await sql`lock table certificates in share mode`.execute(tx);
        const issuing = sample.authority.issueHopCertificate(asked);
        await lockAwaited(database.db);
        const revoking = inTransaction(database.db, revoke);
        await lockAwaited(database.db, 2);
        return [[issuing], [revoking]] as const;
      });
      const { serial, caPublicKey } = parseCertificateLine((await issuing[0]).certificate);
      await revoking[0];
      expect(isRevoked(parseKrl((await sample.authority.currentKrl()).data), caPublicKey, serial)).toBe(true);
    },
  );

  test.each(revocations)(
    '%s: nothing is issued once the revocation has begun',
    async (_what, revoke, code) => {
      const asked = await asking();
      const [issuing] = await inTransaction(database.db, async (tx) => {
        await revoke(tx);
        const issuing = refusalCode(sample.authority.issueHopCertificate(asked));
        await lockAwaited(database.db);
        return [issuing] as const;
      });
      expect(await issuing).toBe(code);
    },
  );
});
