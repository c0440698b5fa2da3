/** Sessions of API tokens and CI identities: never with a second factor, never above the credential's role. */
import { loadAccount } from '../accounts/account.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { reason } from '../policy/reasons.ts';
import { type NewSession, startSession } from '../sessions/start-session.ts';

export interface MachineSession {
  readonly sessionId: string;
  readonly accountId: string;
  readonly expiresAt: Date;
}

export type NewMachineSession = Required<
  Pick<
    NewSession,
    'accountId' | 'issuer' | 'subject' | 'authTime' | 'expiresAt' | 'credentialId' | 'roleLimit' | 'dpopJkt'
  >
> &
  Pick<NewSession, 'clientAddress' | 'clientName'> & { readonly kind: 'token' | 'ci' };

export async function startMachineSession(
  tx: Tx,
  session: NewMachineSession,
  now: Date,
): Promise<MachineSession> {
  const { accountId, expiresAt } = session;
  const sessionId = await startSession(tx, { ...session, amr: [], acr: null, mfa: false, mfaBy: null }, now);
  return { sessionId, accountId, expiresAt };
}

/** Whether the account's organization wants people only, in words for whoever asked. */
export async function machinesRefused(tx: Tx, accountId: string): Promise<SallyportError | undefined> {
  const { organization } = await loadAccount(tx, accountId);
  if (organization.machineAccess) return undefined;
  const { code, message } = reason('machines_refused', organization.slug);
  return new SallyportError('forbidden', message, { members: { reasons: [code] } });
}
