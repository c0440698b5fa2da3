/** What becomes of a login for a device code: not a session yet, but the question whether that machine may have one. */
import { recordEvent } from '../audit/record-event.ts';
import type { Database } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { LoginPurposeHandler } from '../login/login-flow.ts';
import type { Sealer } from '../secrets/seal.ts';
import { saveApproval } from './device-approvals.ts';
import { type DeviceCode, denyDeviceCode, waitingById } from './device-codes.ts';
import { setDeviceCookie } from './device-cookie.ts';
import { deviceRefusal, loadDevicePolicy } from './device-policy.ts';
import { describable } from './oauth-error.ts';
import { devicePath } from './paths.ts';

export interface DeviceLoginParts {
  readonly db: Database;
  readonly publicUrl: URL;
  readonly sealer: Sealer;
  readonly clock: () => Date;
}

/** Of the purpose `device`. */
export function deviceLogin(parts: DeviceLoginParts): LoginPurposeHandler {
  const { db, publicUrl, sealer, clock } = parts;
  return {
    async finish(login, request, reply) {
      const now = clock();
      const code = await waitingById(db, String(login.purpose['deviceCode']), now);
      if (code === undefined) throw deviceCodeOver();
      await requireAllowed(parts, code, login, request.ip, now);
      const secret = setDeviceCookie(reply, publicUrl);
      await saveApproval(db, sealer, secret, { deviceCode: code.id, login }, code.expiresAt);
      return reply.redirect(`${devicePath}/approve`, 303);
    },
  };
}

/**
 * Refusing is final: the machine hears it too.
 * @throws forbidden
 */
export async function requireAllowed(
  { db }: Pick<DeviceLoginParts, 'db'>,
  { id, machine }: DeviceCode,
  login: { readonly organizationSlug: string; readonly accountName: string },
  browserAddress: string,
  now: Date,
): Promise<void> {
  const refusal = deviceRefusal(await loadDevicePolicy(db, login.organizationSlug), machine, browserAddress);
  if (refusal === undefined) return;
  await inTransaction(db, async (tx) => {
    if (!(await denyDeviceCode(tx, id, describable(refusal.message), now))) return;
    const facts = { ...deviceFacts(machine), account: login.accountName, browser_address: browserAddress };
    await recordEvent(tx, { event: 'device.refused', facts: { ...facts, ...refusal } });
  });
  throw new SallyportError('forbidden', refusal.message);
}

export function deviceFacts({ address, name, jkt }: DeviceCode['machine']) {
  return { client_address: address, client_name: name, key: jkt };
}

export function deviceCodeOver(): SallyportError {
  return new SallyportError(
    'login_state_invalid',
    'This code has expired, or somebody has decided on it already. Start again on the machine you want to log in on.',
  );
}
