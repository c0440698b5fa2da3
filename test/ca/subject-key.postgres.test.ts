import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { subjectKeyFaults } from '../../src/ca/subject-key.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { lockAwaited } from '../database/lock-awaited.ts';
import {
  certificatesOf,
  domain,
  type Person,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
} from './sample-authority.ts';

describe.skipIf(!hasPostgres)('keys that several ask for at once', () => {
  let database: FreshDatabase;
  let sample: SampleAuthority;
  let one: Person;
  let two: Person;
  beforeAll(async () => {
    database = await freshDatabase();
    sample = await sampleAuthority(database);
    one = await sample.person('one');
    two = await sample.person('two');
  });
  afterAll(async () => {
    await sample.authority.close();
    await database.close();
  });

  test('two people with one private key ask two replicas in the same instant: one gets it certified', async () => {
    const { held, clock } = sample;
    const other = await createCertificateAuthority({
      database,
      ...held,
      firstSigners: { user: 'memory:user', host: 'memory:host', hop: 'memory:hop' },
      domain,
      clock: () => clock.now,
    });
    try {
      const key = generateEd25519();
      const mine = await requestFor(sample.authority, one.sessionId, key);
      const theirs = await requestFor(other, two.sessionId, key);
      // Both come as far as they can before anything is stored: to the challenges, or to the key.
      const both = await inTransaction(database.db, async (tx) => {
        await tx.selectFrom('possession_challenges').selectAll().forUpdate().execute();
        const asked = Promise.allSettled([
          sample.authority.issueUserCertificate({ sessionId: one.sessionId, request: mine }),
          other.issueUserCertificate({ sessionId: two.sessionId, request: theirs }),
        ]);
        await lockAwaited(database.db, 2);
        return { asked };
      });
      const results = await both.asked;
      const failures = results.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []));
      expect(failures).toEqual(['key_reserved']);
      const stored = [
        await certificatesOf(database, one.sessionId),
        await certificatesOf(database, two.sessionId),
      ];
      expect(stored.sort()).toEqual([0, 1]);
    } finally {
      await other.close();
    }
  });

  test('two groups that ask for the same keys in other orders do not wait for each other in a circle', async () => {
    const asking = () => ({ publicKey: generateEd25519().publicKeyBlob, accountId: one.accountId });
    const [held, free] = [asking(), asking()];
    const { waited } = await inTransaction(database.db, async (holder) => {
      await subjectKeyFaults(holder, [held]);
      const first = inTransaction(database.db, (tx) => subjectKeyFaults(tx, [held, free]));
      await lockAwaited(database.db, 1);
      const second = inTransaction(database.db, (tx) => subjectKeyFaults(tx, [free, held]));
      await lockAwaited(database.db, 2);
      return { waited: Promise.all([first, second]) };
    });
    expect(await waited).toEqual([new Map(), new Map()]);
  });
});
