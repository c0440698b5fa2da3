/**
 * One renewal, in steps of which every one leaves a working state behind, however the process ends after it. The caller
 * holds the state lock.
 */
import type { EnvironmentName } from '../api/certificates.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { addRenewed } from './added-keys.ts';
import { refreshSession } from './api-client.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import { byThisClock, type CurrentPair, readPair, useIdentity } from './current-pair.ts';
import { proverOf } from './hardware/kept-key.ts';
import { forgetPending, type PendingRequest, pendingRequest } from './pending-request.ts';
import { type MadeOver, requestCertificate } from './request-certificate.ts';
import { renewalDueAt, renewFrom } from './schedule.ts';
import type { LiveSession } from './session-file.ts';
import { dropOldPairs, storePair } from './store-pair.ts';

/** The steps in their order; a test ends the process after each. */
export const rotationSteps = [
  'request-stored',
  'tokens-stored',
  'certificate-received',
  'pair-stored',
  'identity-replaced',
  'schedule-written',
  'request-forgotten',
] as const;
export type RotationStep = (typeof rotationSteps)[number];

export interface Rotation {
  readonly session: LiveSession;
  /** The tokens are new already: the login has just ended. */
  readonly tokensAreNew?: boolean;
  /** What the certificate is narrowed to. */
  readonly environment?: EnvironmentName;
  /** Somebody is there who can touch a key; otherwise only where there is a terminal. */
  readonly mayProve?: boolean;
  /** The key was made just now. */
  readonly made?: MadeOver | undefined;
  readonly onStep?: (step: RotationStep) => void;
}

/** @throws grant_invalid, session_ended: the session is over; access_denied and others: refused; unavailable */
export async function rotatePair(
  context: SallyContext,
  rotation: Rotation,
): Promise<{ pair: CurrentPair; session: LiveSession }> {
  const { session: before, tokensAreNew = false, onStep = () => {} } = rotation;
  const { paths, debug } = context;
  // First what needs room on the disk: a full one must be met before the refresh token is used up.
  const request = await pendingRequest(context, before);
  onStep('request-stored');

  const session = tokensAreNew ? before : await refreshSession(context, before);
  onStep('tokens-stored');

  const certificate = await askForCertificate(context, session, request, rotation);
  onStep('certificate-received');

  await storePair(paths, { id: request.id, privateKey: request.keyFile, certificate });
  onStep('pair-stored');

  const stored = await readPair(paths, request.id);
  if (!stored)
    throw new SallyportError('file_refused', `${paths.pairs} did not keep what was written into it.`);
  const now = nowSeconds(context);
  const pair = byThisClock(stored, now);
  const { key } = session;
  await useIdentity(paths, pair, key.kind === 'sk' ? key.provider : undefined);
  onStep('identity-replaced');

  await renewFrom(paths, { due: renewalDueAt(pair), nowSeconds: now });
  onStep('schedule-written');

  await forgetPending(paths);
  onStep('request-forgotten');

  if (!rotation.environment && session.key.kind === 'file') await addRenewed(context, pair);
  await dropOldPairs(paths, pair.id, now);
  debug.say(`new certificate ${pair.serial}, valid until ${new Date(pair.validBefore * 1000).toISOString()}`);
  return { pair, session };
}

async function askForCertificate(
  context: SallyContext,
  session: LiveSession,
  { id: requestId, privateKey, publicKeyBlob }: PendingRequest,
  { environment, made, mayProve = context.ask !== undefined }: Rotation,
): Promise<string> {
  const prove = session.key.kind !== 'file' && mayProve ? proverOf(context, session.key) : undefined;
  const wish = { requestId, privateKey, publicKeyBlob, environment, prove, made };
  return await requestCertificate(context, session, wish).catch(async (error) => {
    // Refused for good: the next attempt is a new request. In trouble: the same one again.
    if (isSallyportError(error) && error.status < 500) await forgetPending(context.paths);
    throw error;
  });
}
