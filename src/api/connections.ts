/** Live SSH connections: GET /v1/connections for admins, GET /v1/connections/own. Machines: GET /v1/companions for admins. */
import { z } from 'zod';
import { accountName, slug, targetName, uint64, unixSeconds } from './common.ts';

export const liveConnection = z.strictObject({
  account: accountName,
  session_id: z.uuid(),
  companion: slug,
  companion_kind: z.enum(['gateway', 'host']),
  target: targetName.nullable(),
  /** relay: the gateway sees the session; jump: end to end; host: at the host's own sshd. Null: it did not say. */
  way: z.enum(['relay', 'jump', 'host', 'menu', 'refusal']).nullable(),
  started_at: unixSeconds,
  /** Where the person comes from, as the machine sees it. */
  client_address: z.string().nullable(),
  /** The session has ended and the machine has not said that the connection has too. */
  ending: z.boolean(),
});

export const connectionList = z.strictObject({ connections: z.array(liveConnection) });

export const machineStanding = z.strictObject({
  name: slug,
  kind: z.enum(['gateway', 'host']),
  address: z.string(),
  port: z.int(),
  enrolled: z.boolean(),
  /** It was heard of within the last minute and a half. */
  online: z.boolean(),
  last_seen_at: unixSeconds.nullable(),
  acknowledged_version: uint64.nullable(),
  acknowledged_at: unixSeconds.nullable(),
  /** Null: it has installed what was sent last. Else what it has not acknowledged, and since when. */
  behind: z
    .strictObject({
      since: unixSeconds,
      /** Ended sessions that it does not know of. */
      ended_sessions: z.int().min(0),
    })
    .nullable(),
  /** Why it could not install its latest state. */
  problem: z.string().nullable(),
  /** How far its revocation list is over the budget of 80,000 bytes, so that logins there take longer. */
  krl_excess_bytes: z.int().nullable(),
});

export const machineList = z.strictObject({
  /** What every machine should have. */
  version: uint64,
  companions: z.array(machineStanding),
});

export type LiveConnection = z.infer<typeof liveConnection>;
export type MachineStanding = z.infer<typeof machineStanding>;
export type MachineList = z.infer<typeof machineList>;
