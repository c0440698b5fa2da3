/** Certificates as they are stored: the bytes to be signed, before any signer sees them, with what was decided. */
import { sql } from 'kysely';
import type { AuditEvent } from '../audit/events.ts';
import { recordEvents } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import type { CertificateFields } from '../ssh/certificate.ts';
import { fingerprint } from '../ssh/public-key.ts';

export interface NewCertificate {
  readonly kind: 'user' | 'host' | 'hop' | 'canary';
  readonly caKeyId: string;
  readonly fields: CertificateFields;
  /** Linted. */
  readonly toBeSigned: Buffer;
  /** What it was decided from, for people who ask later. */
  readonly decision: Readonly<Record<string, unknown>>;
  readonly organizationId?: string;
  /** User and hop certificates: whose it is, and the request that a client may repeat. */
  readonly login?: { readonly accountId: string; readonly sessionId: string; readonly requestId: string };
  /** Host certificates: whose it is. Hop certificates: the gateway's that asked. A person's: the one it is good for. */
  readonly companionId?: string;
}

export interface StoredCertificate {
  readonly serial: bigint;
  readonly kind: NewCertificate['kind'];
  readonly companionId: string | null;
  readonly caKeyId: string;
  readonly publicKey: Buffer;
  readonly principals: readonly string[];
  readonly validAfter: Date;
  readonly validBefore: Date;
  readonly toBeSigned: Buffer;
  readonly revoked: boolean;
}

/** Stores a certificate and its audit event: from the commit on it can be signed, found and revoked. */
export async function storeCertificate(tx: Tx, certificate: NewCertificate): Promise<void> {
  await storeCertificates(tx, [certificate]);
}

/** Stores certificates and their audit events, with one statement each. */
export async function storeCertificates(tx: Tx, certificates: readonly NewCertificate[]): Promise<void> {
  if (certificates.length === 0) return;
  await tx.insertInto('certificates').values(certificates.map(asRow)).execute();
  await recordEvents(tx, certificates.map(asEvent));
}

function asRow({ kind, caKeyId, fields, toBeSigned, decision, login, companionId }: NewCertificate) {
  return {
    serial: fields.serial,
    kind,
    ca_key_id: caKeyId,
    account_id: login?.accountId ?? null,
    session_id: login?.sessionId ?? null,
    companion_id: companionId ?? null,
    request_id: login?.requestId ?? null,
    key_id: fields.keyId,
    public_key: fields.publicKey,
    principals: [...fields.principals],
    valid_after: asDate(fields.validAfter),
    valid_before: asDate(fields.validBefore),
    to_be_signed: toBeSigned,
    decision: JSON.stringify(decision),
  };
}

function asEvent({ kind, fields, login, organizationId }: NewCertificate): AuditEvent {
  return {
    event: 'certificate.issued',
    organizationId: organizationId ?? null,
    accountId: login?.accountId ?? null,
    sessionId: login?.sessionId ?? null,
    facts: {
      kind,
      serial: `${fields.serial}`,
      key_id: fields.keyId,
      fingerprint: fingerprint(fields.publicKey),
      principals: fields.principals,
      valid_before: Number(fields.validBefore),
    },
  };
}

/** A session's request, by the id that its client gave it. */
export interface RequestOfSession {
  readonly sessionId: string;
  readonly requestId: string;
}

/** The certificates that earlier requests of these ids were given. */
export async function certificatesOfRequests<Request extends RequestOfSession>(
  tx: Tx,
  requests: readonly Request[],
): Promise<ReadonlyMap<Request, StoredCertificate>> {
  const sessionIds = requests.map(({ sessionId }) => sessionId);
  const requestIds = requests.map(({ requestId }) => requestId);
  const rows = await storedCertificates(tx)
    .select(['certificates.session_id', 'certificates.request_id'])
    .where(
      sql<boolean>`(session_id, request_id) in (
        select * from unnest(${sessionIds}::uuid[], ${requestIds}::uuid[])
      )`,
    )
    .execute();
  const byRequest = new Map(rows.map((row) => [`${row.session_id} ${row.request_id}`, row]));
  const found = new Map<Request, StoredCertificate>();
  for (const request of requests) {
    const row = byRequest.get(`${request.sessionId} ${request.requestId}`);
    if (row) found.set(request, fromRow(row));
  }
  return found;
}

/** The companion's own certificate that lasts longest. */
export async function lastCertificateOfCompanion(
  tx: Tx,
  companionId: string,
): Promise<StoredCertificate | undefined> {
  const row = await storedCertificates(tx)
    .where('companion_id', '=', companionId)
    .where('certificates.kind', '=', 'host')
    .orderBy('certificates.valid_before', 'desc')
    .orderBy('certificates.serial', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && fromRow(row);
}

/** The same of many machines, by companion. */
export async function lastHostCertificates(
  db: Database,
  companionIds: readonly string[],
): Promise<ReadonlyMap<string, StoredCertificate>> {
  const rows = await db
    .selectFrom(sql<{ id: string }>`unnest(${[...companionIds]}::uuid[])`.as<'asked'>(sql`asked(id)`))
    .innerJoinLateral(
      storedCertificates(db)
        .where('certificates.kind', '=', 'host')
        .where('certificates.companion_id', '=', sql<string>`asked.id`)
        .orderBy('certificates.valid_before', 'desc')
        .orderBy('certificates.serial', 'desc')
        .limit(1)
        .as('last'),
      (join) => join.onTrue(),
    )
    .selectAll('last')
    .execute();
  return new Map(rows.flatMap((row) => (row.companion_id ? [[row.companion_id, fromRow(row)]] : [])));
}

function storedCertificates(tx: Database) {
  return tx
    .selectFrom('certificates')
    .leftJoin('revoked_serials', 'revoked_serials.serial', 'certificates.serial')
    .select([
      'certificates.serial',
      'certificates.kind',
      'certificates.companion_id',
      'certificates.ca_key_id',
      'certificates.public_key',
      'certificates.principals',
      'certificates.valid_after',
      'certificates.valid_before',
      'certificates.to_be_signed',
      'revoked_serials.serial as revoked_serial',
    ]);
}

type Row = NonNullable<Awaited<ReturnType<ReturnType<typeof storedCertificates>['executeTakeFirst']>>>;

function fromRow(row: Row): StoredCertificate {
  return {
    serial: BigInt(row.serial),
    kind: row.kind,
    companionId: row.companion_id,
    caKeyId: row.ca_key_id,
    publicKey: row.public_key,
    principals: row.principals,
    validAfter: row.valid_after,
    validBefore: row.valid_before,
    toBeSigned: row.to_be_signed,
    revoked: row.revoked_serial !== null,
  };
}

function asDate(unixSeconds: bigint): Date {
  return new Date(Number(unixSeconds) * 1000);
}
