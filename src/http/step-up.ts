/** Routes that want a second factor of the last minutes: programs are told so (RFC 9470), browsers are led to it. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { loadAccount } from '../accounts/account.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { leadBrowser } from '../login/lead-browser.ts';
import { decideStepUp } from '../policy/decide-step-up.ts';
import { mfaLogin } from '../policy/reasons.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import type { AppParts } from './app-parts.ts';
import type { Caller } from './callers.ts';

/** @throws insufficient_user_authentication for programs; browsers are redirected */
export async function requireStepUp(
  { database, clock }: Pick<AppParts, 'database' | 'clock'>,
  request: FastifyRequest,
  reply: FastifyReply,
  caller: Caller,
): Promise<void> {
  const { stepUp = false, machines = false } = request.routeOptions.config;
  if (stepUp === false || caller.kind === 'companion') return;
  const now = clock();
  const decision = await inTransaction(database.db, async (tx) => {
    const { facts: session } = await lockLiveSession(tx, caller.sessionId, 'share', now);
    // A machine has no second factor; a route that wants one of people says whether machines may call it.
    if (machines && (session.mode === 'token' || session.mode === 'ci')) return { allowed: true } as const;
    const { organization } = await loadAccount(tx, caller.accountId);
    const nowSeconds = Math.floor(now.getTime() / 1000);
    return decideStepUp({ session, organization, always: stepUp === 'always' }, nowSeconds);
  });
  if (decision.allowed) return;
  if (caller.kind === 'browser') {
    leadBrowser(request, reply, `/console/step-up?return_to=${encodeURIComponent(pageOf(request))}`);
    return;
  }
  throw insufficientAuthentication(decision.wanting, decision.maxAgeSeconds);
}

/** RFC 9470 section 3: authenticate-header.ts makes the challenge of it. */
export function insufficientAuthentication(
  wanting: 'mfa' | 'newer_mfa',
  maxAgeSeconds: number | null,
): SallyportError {
  const login = wanting === 'mfa' ? 'a login with a second factor' : 'a newer second factor';
  const command = mfaLogin(maxAgeSeconds ?? undefined);
  return new SallyportError('insufficient_user_authentication', `This needs ${login}. Run: ${command}`, {
    members: {
      acr_values: 'mfa',
      ...(maxAgeSeconds === null ? {} : { max_age: maxAgeSeconds }),
      reasons: [wanting === 'mfa' ? 'mfa_missing' : 'mfa_too_old'],
      command,
    },
  });
}

/** Where the person comes back to. A form can't be sent again by itself, so it is the page that it stands on. */
function pageOf({ method, url }: FastifyRequest): string {
  const path = url.split('?')[0] ?? '';
  return method === 'GET' ? path : path.split('/').slice(0, 3).join('/');
}
