/**
 * One renewal, in steps of which every one leaves a working state behind, however the process ends after it. The caller
 * holds the state lock.
 */
import type { EnvironmentName } from '../api/certificates.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { refreshSession } from './api-client.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import { type CurrentPair, readPair, useIdentity } from './current-pair.ts';
import { forgetPending, type PendingRequest, pendingRequest } from './pending-request.ts';
import { requestCertificate } from './request-certificate.ts';
import { renewalDueAt, writeSchedule } from './schedule.ts';
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
  readonly onStep?: (step: RotationStep) => void;
}

/** @throws grant_invalid, session_ended: the session is over; access_denied and others: refused; unavailable */
export async function rotatePair(
  context: SallyContext,
  { session: before, tokensAreNew = false, environment, onStep = () => {} }: Rotation,
): Promise<{ pair: CurrentPair; session: LiveSession }> {
  const { paths, debug } = context;
  // First what needs room on the disk: a full one must be met before the refresh token is used up.
  const request = await pendingRequest(paths, {
    sessionId: before.session_id,
    account: before.account,
    nowSeconds: nowSeconds(context),
  });
  onStep('request-stored');

  const session = tokensAreNew ? before : await refreshSession(context, before);
  onStep('tokens-stored');

  const certificate = await askForCertificate(context, session, { request, environment });
  onStep('certificate-received');

  await storePair(paths, { id: request.id, privateKey: request.openssh, certificate });
  onStep('pair-stored');

  const pair = await readPair(paths, request.id);
  if (!pair)
    throw new SallyportError('file_refused', `${paths.pairs} did not keep what was written into it.`);
  await useIdentity(paths, pair);
  onStep('identity-replaced');

  await writeSchedule(paths, renewalDueAt(pair));
  onStep('schedule-written');

  await forgetPending(paths);
  onStep('request-forgotten');

  await dropOldPairs(paths, pair.id, nowSeconds(context));
  debug.say(`new certificate ${pair.serial}, valid until ${new Date(pair.validBefore * 1000).toISOString()}`);
  return { pair, session };
}

async function askForCertificate(
  context: SallyContext,
  session: LiveSession,
  { request, environment }: { request: PendingRequest; environment: EnvironmentName | undefined },
): Promise<string> {
  const { id: requestId, privateKey, publicKeyBlob } = request;
  const wish = { requestId, privateKey, publicKeyBlob, environment };
  return await requestCertificate(context, session, wish).catch(async (error) => {
    // Refused for good: the next attempt is a new request. In trouble: the same one again.
    if (isSallyportError(error) && error.status < 500) await forgetPending(context.paths);
    throw error;
  });
}
