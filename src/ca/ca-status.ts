/** How every generation of every CA key stands, and how large the revocation list is, for operators. */
import type { CaKeyDocument, CaStatus } from '../api/ca-keys.ts';
import type { Database } from '../database/database.ts';
import { fingerprint } from '../ssh/public-key.ts';
import { type CaKeyRecord, readCaKeys } from './ca-key-store.ts';
import { replicaPatienceMilliseconds } from './decide-rotation.ts';
import { purposes } from './issuing.ts';
import { krlReport } from './read-krl.ts';
import { type Readiness, readReadiness } from './readiness.ts';
import { endOf } from './retire-ca-key.ts';
import { waitsFor, waitText } from './rotate-ca-key.ts';

/** By purpose, the oldest generation first. */
export async function caStatus(db: Database, now: Date): Promise<CaStatus> {
  const keys = await readCaKeys(db);
  const reports = await readReadiness(db);
  const documents: CaKeyDocument[] = [];
  for (const purpose of purposes) {
    for (const key of keys.filter((each) => each.purpose === purpose)) {
      documents.push(await documentOf({ db, now }, key, reports));
    }
  }
  return { keys: documents, krl: keys.length === 0 ? null : await krlDocument(db) };
}

async function krlDocument(db: Database): Promise<CaStatus['krl']> {
  const { version, serials, budget } = await krlReport(db);
  return { version, revoked_serials: serials, ...budget };
}

async function documentOf(
  { db, now }: { db: Database; now: Date },
  key: CaKeyRecord,
  reports: readonly Readiness[],
): Promise<CaKeyDocument> {
  const { purpose, generation, state } = key;
  const waits = state === 'next' ? await waitsFor({ db, now }, key) : [];
  const isWanted = state === 'active' || state === 'retiring';
  return {
    purpose,
    generation,
    state,
    fingerprint: fingerprint(key.publicKey),
    signer: key.signer,
    created_at: seconds(key.createdAt),
    activated_at: secondsOrNull(key.activatedAt),
    retiring_at: secondsOrNull(key.retiringAt),
    retired_at: secondsOrNull(key.retiredAt),
    compromised_at: secondsOrNull(key.compromisedAt),
    retires_at: state === 'retiring' ? seconds(await endOf(db, key, now)) : null,
    waits_for: waits.map(waitText),
    problems: isWanted ? problemsWith(key, reports, now) : [],
  };
}

function problemsWith({ id }: CaKeyRecord, reports: readonly Readiness[], now: Date): string[] {
  return reports
    .filter(({ caKeyId, reportedAt }) => {
      return caKeyId === id && now.getTime() - reportedAt.getTime() <= replicaPatienceMilliseconds;
    })
    .flatMap(({ replica, problem }) => {
      return problem === null ? [] : [waitText({ kind: 'server', replica, problem })];
    });
}

function seconds(at: Date): number {
  return Math.floor(at.getTime() / 1000);
}

function secondsOrNull(at: Date | null): number | null {
  return at === null ? null : seconds(at);
}
