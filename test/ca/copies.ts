/** Servers of one installation on several databases: the same CA keys, each database with a history of its own. */
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { nextSerials } from '../../src/ca/serials.ts';
import type { DatabaseHandle } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { recoverDatabase } from '../../src/operator/recover-database.ts';
import { type NewSession, startSession } from '../../src/sessions/start-session.ts';
import {
  domain,
  heldInMemory,
  issuer,
  memorySigner,
  requestFor,
  type SampleAuthority,
} from './sample-authority.ts';

export interface Issued {
  readonly serial: bigint;
  readonly certificate: string;
}

/** A server that starts on `database`, and what its people do. */
export async function serverOn(
  database: DatabaseHandle,
  { userKey, hostSigner }: Pick<SampleAuthority, 'userKey' | 'hostSigner'>,
  clock: () => Date,
) {
  const authority = await createCertificateAuthority({
    database,
    ...heldInMemory({ user: memorySigner(userKey), host: hostSigner }),
    domain,
    clock,
  });
  return {
    authority,
    async issue(sessionId: string, key?: Parameters<typeof requestFor>[2]): Promise<Issued> {
      const request = await requestFor(authority, sessionId, key);
      const { serial, certificate } = await authority.issueUserCertificate({ sessionId, request });
      return { serial: BigInt(serial), certificate };
    },
    /** As many as a busy while takes. */
    serials: (count: number) => inTransaction(database.db, (tx) => nextSerials(tx, count, clock())),
    recover: () => inTransaction(database.db, (tx) => recoverDatabase(tx, clock(), { anyway: false })),
    login: (accountId: string) =>
      inTransaction(database.db, (tx) => startSession(tx, loginOf(accountId, clock()), clock())),
  };
}

function loginOf(accountId: string, now: Date): NewSession {
  return {
    accountId,
    kind: 'helper',
    issuer,
    amr: ['pwd', 'otp'],
    acr: null,
    authTime: now,
    mfa: true,
    expiresAt: new Date(now.getTime() + 12 * 3_600_000),
    clientAddress: null,
    clientName: null,
  };
}
