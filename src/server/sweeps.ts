/**
 * What must be tidied now and then: expired rows of logins, KRL entries an hour after their certificates' end, narrowed
 * certificates that are not true any more, and CA keys whose last certificate is over. What should have come and did not
 * is noticed here too.
 */
import { pruneReadiness } from '../ca/readiness.ts';
import { retireExpired } from '../ca/retire-ca-key.ts';
import { revokeUntrueCertificates } from '../ca/revoke-untrue-certificates.ts';
import { sweepLeases } from '../connections/end-lease.ts';
import { endOutlivedSessions } from '../connections/end-outlived.ts';
import { sweepSshCodes } from '../credentials/sweep-ssh-codes.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { sweepLimits } from '../limits/sweep-limits.ts';
import { sweepTombstones } from '../login/logout-tombstones.ts';
import { sweepPending } from '../login/pending-login.ts';
import { findStalledStreams, type StalledStream } from '../login/security-event-streams.ts';
import { sweepExpired } from '../oauth/sweep-expired.ts';
import { pruneRevokedRanges } from '../revocation/revoked-ranges.ts';
import { pruneRevokedSerials } from '../revocation/revoked-serials.ts';

const sweepMilliseconds = 60_000;
/** Reports of server processes are looked at for a minute. */
const readinessMilliseconds = 86_400_000;

/**
 * Replicas may sweep at the same time: each statement deletes what is over and nothing else.
 * @param onStalled an identity provider has stopped to verify its stream of security events
 */
export function startSweeps(
  database: DatabaseHandle,
  clock: () => Date,
  onStalled: (stream: StalledStream) => void,
): { close(): Promise<void> } {
  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    running = sweep().catch(() => {
      // The database is away; what is left over waits for the next round.
    });
  }, sweepMilliseconds);

  async function sweep(): Promise<void> {
    const now = clock();
    await sweepExpired(database.db, now);
    await sweepLimits(database.db, now);
    await sweepSshCodes(database.db, now);
    await sweepLeases(database.db, now);
    await endOutlivedSessions(database.db, now);
    await sweepPending(database.db, now);
    await sweepTombstones(database.db, now);
    for (const stream of await findStalledStreams(database.db, now)) onStalled(stream);
    await inTransaction(database.db, (tx) => pruneRevokedSerials(tx, now));
    await inTransaction(database.db, (tx) => pruneRevokedRanges(tx, now));
    await revokeUntrueCertificates(database.db, now);
    await retireExpired(database.db, now);
    await pruneReadiness(database.db, new Date(now.getTime() - readinessMilliseconds));
  }
  return {
    close: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
