/** The person's answer to whether a machine may log in as them. */
import type Provider from 'oidc-provider';
import { accountForIdentity } from '../accounts/account-for-identity.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Database } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import type { ProvenLogin } from '../login/login-flow.ts';
import { startLoginSession } from '../login/start-login-session.ts';
import type { Sealer } from '../secrets/seal.ts';
import { approveDeviceCode, type DeviceCode, denyDeviceCode } from './device-codes.ts';
import { deviceCodeOver, deviceFacts, requireAllowed } from './device-login.ts';
import { keepGrantUntil, saveHelperGrant } from './helper-grant.ts';

export interface ApproveDeviceParts {
  readonly db: Database;
  readonly provider: Provider;
  readonly publicUrl: URL;
  readonly sealer: Sealer;
}

export interface Decision {
  readonly code: DeviceCode;
  readonly login: ProvenLogin;
  readonly browserAddress: string;
}

/**
 * The session is of the machine that asked: its address, its name, its key.
 * @throws forbidden, login_state_invalid if it was decided before, login_rejected, name_refused
 */
export async function approveDevice(
  parts: ApproveDeviceParts,
  { code, login, browserAddress }: Decision,
  now: Date,
): Promise<void> {
  const { db } = parts;
  const { id, machine, params } = code;
  await requireAllowed(parts, code, login, browserAddress, now);
  const { accountId } = await inTransaction(db, (tx) => accountForIdentity(tx, login, now));
  const grantId = await saveHelperGrant(parts, { accountId, scope: params.scope });
  const { amr, acr } = login;
  const authTime = Math.floor(login.authTime.getTime() / 1000);
  const { scope, resource } = params;
  const approval = { accountId, grantId, scope, resource, authTime, amr, ...(acr === null ? {} : { acr }) };
  const session = {
    login,
    kind: 'helper',
    clientAddress: machine.address,
    clientName: machine.name,
    grantId,
    dpopJkt: machine.jkt,
  } as const;
  await inTransaction(db, async (tx) => {
    if (!(await approveDeviceCode(tx, id, approval, now))) throw deviceCodeOver();
    const { organizationId, sessionId, expiresAt } = await startLoginSession(tx, parts, session, now);
    await keepGrantUntil(tx, grantId, expiresAt);
    const facts = { ...deviceFacts(machine), account: login.accountName, browser_address: browserAddress };
    await recordEvent(tx, { event: 'device.approved', organizationId, accountId, sessionId, facts });
  });
}

/** @throws login_state_invalid if it was decided before */
export async function denyDevice(
  { db }: Pick<ApproveDeviceParts, 'db'>,
  { code, login, browserAddress }: Decision,
  now: Date,
): Promise<void> {
  await inTransaction(db, async (tx) => {
    if (!(await denyDeviceCode(tx, code.id, `${login.accountName} said no`, now))) throw deviceCodeOver();
    const facts = {
      ...deviceFacts(code.machine),
      account: login.accountName,
      browser_address: browserAddress,
    };
    await recordEvent(tx, { event: 'device.denied', facts });
  });
}
