/**
 * Host certificates, by which `ssh` knows a machine without ever asking. They name what the enrolment record says,
 * never what the machine asks for.
 */
import { randomBytes } from 'node:crypto';
import type { Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { type CertificateFields, mostPrincipalsIssued, nonceLength } from '../ssh/certificate.ts';
import { certificateLine, encodeToBeSigned } from '../ssh/encode-certificate.ts';
import { lintHostCertificate } from '../ssh/lint-certificate.ts';
import { isHostName } from '../ssh/names.ts';
import { lastCertificateOfCompanion, type StoredCertificate, storeCertificate } from './certificate-store.ts';
import { compareWithDecision } from './compare-with-decision.ts';
import { type EnrolledMachine, lockEnrolledMachine } from './enrolled-machine.ts';
import type { Issuing } from './issuing.ts';
import { nextSerial } from './serials.ts';
import { signCertificate } from './sign-certificate.ts';

/** `ssh` reaches machines and targets as `<name>.sallyport`, whatever their addresses are. */
export const hostSuffix = 'sallyport';

const lifeSeconds = 7n * 24n * 3600n;
const backdateSeconds = 60n;

/** A new certificate for the machine's host key, as a line. @throws enrolment_refused, signer_failed */
export async function issueHostCertificate(issuing: Issuing, companionId: string): Promise<string> {
  const now = issuing.clock();
  const stored = await inTransaction(issuing.db, async (tx) => {
    const machine = await lockEnrolledMachine(tx, companionId);
    return await decideAndStore(tx, issuing, { companionId, machine, now });
  });
  return await signedLine(issuing, stored);
}

/**
 * The certificate that the machine should have now: the one it has, as long as more than half of its life is left and
 * it still says what the enrolment record says; else a new one.
 * @throws enrolment_refused, signer_failed
 */
export async function hostCertificateFor(
  issuing: Issuing,
  companionId: string,
  signed: SignedLines,
): Promise<string> {
  const now = issuing.clock();
  const stored = await inTransaction(issuing.db, async (tx) => {
    const machine = await lockEnrolledMachine(tx, companionId);
    const last = await lastCertificateOfCompanion(tx, companionId);
    if (last && isGood(last, machine, issuing, now)) return last;
    return await decideAndStore(tx, issuing, { companionId, machine, now });
  });
  return await signedOnce(issuing, companionId, { stored, signed });
}

/** Its line; signed again only if it is not the one that was signed here last. @throws signer_failed */
export async function signedOnce(
  issuing: Issuing,
  companionId: string,
  { stored, signed }: { stored: ToSign; signed: SignedLines },
): Promise<string> {
  const known = signed.get(companionId);
  if (known?.toBeSigned.equals(stored.toBeSigned)) return known.line;
  const line = await signedLine(issuing, stored);
  signed.set(companionId, { toBeSigned: stored.toBeSigned, line });
  return line;
}

/**
 * By companion, the certificate that was signed here last. A state is made at every change, and a signature may be a
 * request to a key service, which may be away.
 */
export type SignedLines = Map<string, { readonly toBeSigned: Buffer; readonly line: string }>;

/** Whether a machine needs no new one yet. */
export function isGood(
  last: StoredCertificate,
  machine: EnrolledMachine,
  { keys }: Issuing,
  now: Date,
): boolean {
  const life = last.validBefore.getTime() - last.validAfter.getTime();
  const left = last.validBefore.getTime() - now.getTime();
  return (
    !last.revoked &&
    left > life / 2 &&
    last.caKeyId === keys.active('host').id &&
    last.publicKey.equals(machine.hostKey) &&
    last.principals.join() === principalsOf(machine).join()
  );
}

/** What is signed after the commit, and by which key. */
type ToSign = Pick<StoredCertificate, 'caKeyId' | 'toBeSigned'>;

interface Subject {
  readonly companionId: string;
  readonly machine: EnrolledMachine;
  readonly now: Date;
}

async function decideAndStore(
  tx: Tx,
  issuing: Issuing,
  { companionId, machine, now }: Subject,
): Promise<ToSign> {
  const caKey = issuing.keys.active('host');
  const nowSeconds = BigInt(Math.floor(now.getTime() / 1000));
  const { kind, name, hostKey, organizationId } = machine;
  const fields: CertificateFields = {
    kind: 'host',
    publicKey: hostKey,
    nonce: randomBytes(nonceLength),
    serial: await nextSerial(tx, now),
    keyId: `${kind}/${name}`,
    principals: principalsOf(machine),
    validAfter: nowSeconds - backdateSeconds,
    validBefore: nowSeconds + lifeSeconds,
    criticalOptions: [],
    extensions: [],
    caPublicKey: caKey.publicKey,
  };
  const toBeSigned = encodeToBeSigned(fields);
  lintHostCertificate(toBeSigned, {
    now: nowSeconds,
    maxLifetime: lifeSeconds,
    maxBackdate: backdateSeconds,
  });
  compareWithDecision(toBeSigned, fields);
  await storeCertificate(tx, {
    kind: 'host',
    caKeyId: caKey.id,
    fields,
    toBeSigned,
    decision: { kind, name },
    organizationId,
    companionId,
  });
  return { caKeyId: caKey.id, toBeSigned };
}

/** What the certificate is good for. */
export function principalsOf(machine: EnrolledMachine): string[] {
  return [...ownNamesOf(machine), ...hostNamesOf(machine)];
}

/** Of these, the names that are not below our suffix: those are given by us alone. */
export function hostNamesOf(machine: EnrolledMachine): string[] {
  const isOurs = (host: string) => host === hostSuffix || host.endsWith(`.${hostSuffix}`);
  // A host of many targets has no room for all: a name that warns is better than no certificate for any.
  const room = Math.max(0, mostPrincipalsIssued - ownNamesOf(machine).length);
  return machine.hostNames.filter((host) => isHostName(host) && !isOurs(host)).slice(0, room);
}

function ownNamesOf({ name, targetNames }: EnrolledMachine): string[] {
  return [name, ...targetNames].map((host) => `${host}.${hostSuffix}`);
}

async function signedLine({ keys }: Issuing, { caKeyId, toBeSigned }: ToSign): Promise<string> {
  const { blob, keyId } = await signCertificate(toBeSigned, keys.byId(caKeyId)?.signer);
  return certificateLine(blob, keyId);
}
