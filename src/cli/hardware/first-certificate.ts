/** The certificate at the end of a login, for the key that was chosen. */
import { isSallyportError, type SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { type CurrentPair, useNoIdentity } from '../current-pair.ts';
import { rotatePair } from '../rotate-pair.ts';
import { type LiveSession, writeSession } from '../session-file.ts';
import { type ChosenKey, chooseKey, securityKey } from './choose-key.ts';
import type { KeyWish } from './key-wish.ts';

export interface FirstCertificate {
  readonly session: LiveSession;
  /** Undefined if the server refused one; `refusal` says why. */
  readonly pair: CurrentPair | undefined;
  readonly refusal: SallyportError | undefined;
}

/** A refusal does not undo the login: `sally explain` and `sally whoami` can say more. */
export async function firstCertificate(
  context: SallyContext,
  session: LiveSession,
  wish: KeyWish | undefined,
): Promise<FirstCertificate> {
  const chosen = await chooseKey(context, session, wish);
  const first = await certify(context, session, chosen);
  if (!first.refusal || !chosen.elseMake || !isAboutKey(first.refusal)) return first;
  context.terminal.tell(`sally: the security key's key of before will not do: ${first.refusal.message}`);
  return await certify(context, session, await securityKey(context, session, chosen.elseMake));
}

async function certify(
  context: SallyContext,
  before: LiveSession,
  { key, made }: ChosenKey,
): Promise<FirstCertificate> {
  const session = { ...before, key };
  await writeSession(context, session);
  try {
    const rotated = await rotatePair(context, { session, tokensAreNew: true, mayProve: true, made });
    return { session, pair: rotated.pair, refusal: undefined };
  } catch (error) {
    if (!isSallyportError(error) || !refusals.has(error.code)) throw error;
    // What is left of an earlier login is not what this person asked for now.
    await useNoIdentity(context.paths);
    return { session, pair: undefined, refusal: error };
  }
}

const refusals: ReadonlySet<string> = new Set([
  'access_denied',
  'insufficient_user_authentication',
  'key_revoked',
  'key_reserved',
  'attestation_refused',
]);

/** Another key may do. */
function isAboutKey({ code, members }: SallyportError): boolean {
  const reasons = Array.isArray(members['reasons']) ? members['reasons'] : [];
  return code === 'key_revoked' || reasons.some((reason) => String(reason).startsWith('hardware_key_'));
}
