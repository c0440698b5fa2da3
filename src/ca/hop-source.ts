/**
 * How a person came to a gateway, as the gateway says in its request for a hop certificate: by a certificate, by a
 * registered key, or by a one-time code. Nothing of it is believed before it is found here. A gateway has certificates
 * and codes of those only who came to it; the registered keys of its organization it has all the time.
 */
import type { HopCertificateRequest } from '../api/hop-certificates.ts';
import { lockRegisteredKey } from '../credentials/lock-registered-key.ts';
import { lockSshCodeUse } from '../credentials/ssh-code-use.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { SessionFacts } from '../policy/facts.ts';
import type { Session } from '../sessions/session.ts';
import type { Certificate } from '../ssh/certificate.ts';
import { parseCertificateLine } from '../ssh/parse-certificate.ts';
import { fingerprint, parsePublicKeyLine } from '../ssh/public-key.ts';
import { lockSource } from './source-certificate.ts';

export type HopSource =
  | { readonly kind: 'certificate'; readonly certificate: Certificate }
  | { readonly kind: 'key'; readonly publicKey: Buffer }
  | { readonly kind: 'code'; readonly use: string };

export interface LockedHopSource {
  /** Whose it is. The row is locked: the session can't be ended before the transaction is over. */
  readonly session: Session;
  /** The session as the source proves it: with its MFA, and only as long as it is good. */
  readonly proven: SessionFacts;
  /** What the person's own certificate permits of sshd; keys and codes say nothing of that. */
  readonly permissions: readonly string[];
  /** For the stored decision. */
  readonly evidence: Readonly<Record<string, string>>;
}

export interface HopSourceContext {
  readonly domain: string;
  readonly publicOrigin: string;
  readonly gateway: { readonly id: string; readonly organizationId: string };
  readonly target: string;
  readonly now: Date;
}

/** What policy may narrow. A code's listener forwards nothing at all. */
const everything = ['permit-agent-forwarding', 'permit-port-forwarding', 'permit-pty'];

/** @throws certificate_malformed, the key's faults */
export function readHopSource(request: HopCertificateRequest): HopSource {
  const { source_certificate, registered_key, ssh_code_use = '' } = request;
  if (source_certificate !== undefined) {
    return { kind: 'certificate', certificate: parseCertificateLine(source_certificate) };
  }
  if (registered_key !== undefined) {
    return { kind: 'key', publicKey: parsePublicKeyLine(registered_key).blob };
  }
  return { kind: 'code', use: ssh_code_use };
}

/** @throws certificate_refused, signature_invalid, session_ended, access_denied */
export async function lockHopSource(
  tx: Tx,
  source: HopSource,
  context: HopSourceContext,
): Promise<LockedHopSource> {
  if (source.kind === 'certificate') return await lockCertificate(tx, source.certificate, context);
  if (source.kind === 'key') return await lockKey(tx, source.publicKey, context);
  return await lockCodeUse(tx, source.use, context);
}

async function lockCertificate(
  tx: Tx,
  certificate: Certificate,
  context: HopSourceContext,
): Promise<LockedHopSource> {
  const { session, proven, serial, extensions } = await lockSource(tx, certificate, context);
  return { session, proven, permissions: extensions, evidence: { source_serial: `${serial}` } };
}

async function lockKey(
  tx: Tx,
  publicKey: Buffer,
  { gateway: { organizationId }, now }: HopSourceContext,
): Promise<LockedHopSource> {
  const session = await lockRegisteredKey(tx, { publicKey, organizationId }, now);
  if (session === undefined) throw refusedSource('The key is not registered here, or is good no more.');
  const evidence = { registered_key: fingerprint(publicKey) };
  return { session, proven: session.facts, permissions: everything, evidence };
}

async function lockCodeUse(
  tx: Tx,
  id: string,
  { gateway, target, now }: HopSourceContext,
): Promise<LockedHopSource> {
  const found = await lockSshCodeUse(tx, { id, companionId: gateway.id, target }, now);
  if (found === undefined) {
    throw refusedSource('No one-time code was used here for this target within the last hour.');
  }
  return { ...found, permissions: ['permit-pty'], evidence: { ssh_code_use: id } };
}

function refusedSource(message: string): SallyportError {
  return new SallyportError('access_denied', message);
}
