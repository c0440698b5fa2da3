/** Whether an organization lets its people log in by device code, and from where. */
import type { Database } from '../database/database.ts';
import type { AskingMachine } from './device-codes.ts';
import { isSameNetwork } from './device-network.ts';

export interface DevicePolicy {
  readonly deviceLogin: 'off' | 'same-network' | 'on';
  /** How long a session lasts at most. */
  readonly sessionSeconds: number;
}

export async function loadDevicePolicy(db: Database, organizationSlug: string): Promise<DevicePolicy> {
  const row = await db
    .selectFrom('organizations')
    .select(['device_login', 'session_max_seconds'])
    .where('slug', '=', organizationSlug)
    .executeTakeFirst();
  return { deviceLogin: row?.device_login ?? 'off', sessionSeconds: row?.session_max_seconds ?? 0 };
}

/** Whether any organization does. Whose person will type the code is not known before. */
export async function isDeviceLoginOn(db: Database): Promise<boolean> {
  const row = await db
    .selectFrom('organizations')
    .select('id')
    .where('device_login', '!=', 'off')
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Why this login may not be approved, for the person; undefined: it may. Pure. */
export function deviceRefusal(
  { deviceLogin }: DevicePolicy,
  { address }: AskingMachine,
  browserAddress: string,
): { readonly code: 'device_login_off' | 'other_network'; readonly message: string } | undefined {
  if (deviceLogin === 'off') {
    return {
      code: 'device_login_off',
      message: 'Your organization does not allow logins by device code. Run: sally login',
    };
  }
  if (deviceLogin === 'on' || isSameNetwork(address, browserAddress)) return undefined;
  return {
    code: 'other_network',
    message:
      `The machine that asks is in another network (${address}) than this browser (${browserAddress}), and your ` +
      'organization allows logins by device code only within one. Open this page from the network of the machine.',
  };
}
