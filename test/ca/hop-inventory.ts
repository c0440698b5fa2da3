/** What hop certificates need: a gateway, targets on enrolled hosts behind it, and the request that a gateway sends. */
import { randomUUID } from 'node:crypto';
import { type HopCertificateRequest, type HopSource, hopMessage } from '../../src/api/hop-certificates.ts';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createAccessRule } from '../../src/inventory/access-rules.ts';
import { createApp } from '../../src/inventory/app.ts';
import { createCompanion, type NewCompanion } from '../../src/inventory/companion.ts';
import { completeEnrolment } from '../../src/inventory/enrolment.ts';
import { createEnvironment, type NewEnvironment } from '../../src/inventory/environment.ts';
import { createInstance } from '../../src/inventory/instance.ts';
import { createProject } from '../../src/inventory/project.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig } from '../../src/ssh/sshsig.ts';
import { domain, lineOf, requestFor, type SampleAuthority } from './sample-authority.ts';

export const gatewayAddress = '192.0.2.10';

export interface HopInventory {
  readonly gatewayId: string;
  readonly hostId: string;
  /** On the host web-1, of the app that the person may reach. */
  readonly targetName: string;
  readonly projectId: string;
  readonly environmentId: string;
}

/** Production wants MFA of the last 15 minutes; everybody in the group `developers` and the account may reach it. */
export async function hopInventory(sample: SampleAuthority, accountId: string): Promise<HopInventory> {
  const { database, organizationId } = sample;
  return await inTransaction(database.db, async (tx) => {
    const projectId = await createProject(tx, { organizationId, slug: 'shop' });
    const hostId = await enrolled(tx, sample, { kind: 'host', name: 'web-1' });
    const production = { slug: 'production', mfaRequired: true, mfaMaxAgeSeconds: 900 };
    const environmentId = await environmentWith(tx, { projectId, ...production }, hostId);
    const gatewayId = await enrolled(tx, sample, {
      kind: 'gateway',
      name: 'gate-1',
      address: gatewayAddress,
      environmentIds: [environmentId],
    });
    await createAccessRule(tx, { organizationId, subject: { accountId }, role: 'contributor' });
    return { gatewayId, hostId, targetName: 'shop-production--web', projectId, environmentId };
  });
}

/** An environment with one app `web`. */
export async function environmentWith(
  tx: Tx,
  environment: Omit<NewEnvironment, 'kind'>,
  hostId: string | null,
): Promise<string> {
  const environmentId = await createEnvironment(tx, { kind: 'production', ...environment });
  const appId = await createApp(tx, { environmentId, slug: 'web' });
  const place = { address: '192.0.2.1', port: 22, login: 'app' };
  await createInstance(tx, { appId, instanceSlug: null, ...place, hostId });
  return environmentId;
}

export async function enrolled(
  tx: Tx,
  { organizationId, clock }: Pick<SampleAuthority, 'organizationId' | 'clock'>,
  companion: Pick<NewCompanion, 'kind' | 'name'> & Partial<NewCompanion>,
): Promise<string> {
  const id = await createCompanion(tx, {
    organizationId,
    address: '192.0.2.1',
    port: 22,
    gatewayLogin: null,
    environmentIds: [],
    ...companion,
  });
  const hostKey = generateEd25519().publicKeyBlob;
  const credentialHash = generateEd25519().publicKeyBlob;
  await completeEnrolment(tx, id, { hostKey, credentialHash }, clock.now);
  return id;
}

/** The certificate by which the person comes to the gateway. */
export async function sourceCertificate({ authority }: SampleAuthority, sessionId: string): Promise<string> {
  const request = await requestFor(authority, sessionId);
  return (await authority.issueUserCertificate({ sessionId, request })).certificate;
}

export async function hopRequest(
  companionId: string,
  asked: HopSource & { readonly target: string; readonly request_id?: string },
  key: GeneratedKey = generateEd25519(),
  namespace = `hop@${domain}`,
): Promise<HopCertificateRequest> {
  const request = { request_id: randomUUID(), ...asked };
  const signature = await signSshsig({
    message: hopMessage(companionId, request),
    namespace,
    publicKeyBlob: key.publicKeyBlob,
    sign: (bytes) => signWithKey(key.privateKey, bytes),
  });
  return { ...request, public_key: lineOf(key), signature };
}
