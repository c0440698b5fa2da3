/** What becomes of a login that `sally` asked for: a session, and the browser goes back to where `sally` waits. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type Provider from 'oidc-provider';
import { accountForIdentity } from '../accounts/account-for-identity.ts';
import type { Database, Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import type { LoginPurposeHandler, ProvenLogin } from '../login/login-flow.ts';
import { stateInvalid } from '../login/login-state.ts';
import { renewLoginSession, startLoginSession } from '../login/start-login-session.ts';
import type { Sealer } from '../secrets/seal.ts';
import { deviceNameParameter, sessionParameter } from './authorization-parameters.ts';
import { keepGrantUntil, saveHelperGrant } from './helper-grant.ts';

export interface HelperLoginParts {
  readonly db: Database;
  readonly provider: Provider;
  readonly publicUrl: URL;
  readonly sealer: Sealer;
  readonly clock: () => Date;
}

type Interaction = InstanceType<Provider['Interaction']>;

/** Of the purpose `helper`. */
export function helperLogin(parts: HelperLoginParts): LoginPurposeHandler {
  return {
    async finish(login, request, reply) {
      const interaction = await interactionOf(parts, login.purpose);
      if (interaction === undefined) throw stateInvalid();
      const outcome = await signIn(parts, login, interaction, request);
      return await resume(parts, interaction, outcome, reply);
    },
    // `sally` is told where it waits for the reply; where that is not known, the person is, in the browser.
    async fail(error, purpose, _request, reply) {
      const interaction = await interactionOf(parts, purpose).catch(() => undefined);
      if (interaction === undefined) return undefined;
      const outcome = {
        error: error.status >= 500 ? 'temporarily_unavailable' : 'access_denied',
        error_description: describable(error.message),
      };
      return await resume(parts, interaction, outcome, reply);
    },
  };
}

async function interactionOf(
  { provider }: HelperLoginParts,
  purpose: Readonly<Record<string, unknown>>,
): Promise<Interaction | undefined> {
  const { interaction: uid } = purpose;
  return typeof uid === 'string' ? await provider.Interaction.find(uid) : undefined;
}

/** Account, grant and session, in that order: the grant names the account and the session the grant. */
async function signIn(
  parts: HelperLoginParts,
  login: ProvenLogin,
  { params }: Interaction,
  request: FastifyRequest,
): Promise<NonNullable<Interaction['result']>> {
  const now = parts.clock();
  const { accountId } = await inTransaction(parts.db, (tx) => accountForIdentity(tx, login, now));
  const grantId = await saveHelperGrant(parts, { accountId, scope: String(params['scope'] ?? 'openid') });
  const { dpop_jkt: dpopJkt, [deviceNameParameter]: device, [sessionParameter]: sessionId } = params;
  // A pushed request always has one; without it the session could never be renewed.
  const proof = typeof dpopJkt === 'string' ? { dpopJkt } : {};
  const renewed =
    typeof sessionId === 'string' && (await renew(parts, { sessionId, login, grantId, ...proof }, now));
  if (!renewed) {
    const session = {
      login,
      kind: 'helper',
      clientAddress: request.ip,
      clientName: typeof device === 'string' ? device : (request.headers['user-agent'] ?? null),
      grantId,
      ...proof,
    } as const;
    const start = async (tx: Tx) => {
      const { expiresAt } = await startLoginSession(tx, parts, session, now);
      await keepGrantUntil(tx, grantId, expiresAt);
    };
    await inTransaction(parts.db, start, { retries: 2 });
  }
  const { amr, acr, authTime } = login;
  const ts = Math.floor(authTime.getTime() / 1000);
  const known = { accountId, ts, amr: [...amr], remember: false, ...(acr === null ? {} : { acr }) };
  return { login: known, consent: { grantId } };
}

/** Whether it could be: another account or key, or a session that is over, gets a session of its own. */
async function renew(
  { db, sealer }: HelperLoginParts,
  renewal: Parameters<typeof renewLoginSession>[2] & { readonly grantId: string },
  now: Date,
): Promise<boolean> {
  try {
    const renewed = async (tx: Tx) => {
      const { expiresAt } = await renewLoginSession(tx, { sealer }, renewal, now);
      await keepGrantUntil(tx, renewal.grantId, expiresAt);
    };
    // Whoever is named in a request may be locked by another that names this one.
    await inTransaction(db, renewed, { retries: 2 });
    return true;
  } catch (error) {
    if (isSallyportError(error) && ['forbidden', 'session_ended', 'not_found'].includes(error.code))
      return false;
    throw error;
  }
}

/** Stores the outcome and sends the browser back to the authorization request it came from. */
async function resume(
  { publicUrl }: HelperLoginParts,
  interaction: Interaction,
  outcome: NonNullable<Interaction['result']>,
  reply: FastifyReply,
): Promise<unknown> {
  interaction.result = outcome;
  await interaction.persist();
  return reply.redirect(new URL(new URL(interaction.returnTo).pathname, publicUrl).href, 303);
}

/** RFC 6749 section 4.1.2.1: printable ASCII without quotes and backslashes. */
function describable(message: string): string {
  return message.replace(/["\\]/g, "'").replace(/[^\x20-\x7e]/g, '?');
}
