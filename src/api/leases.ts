/**
 * GET and POST /v1/leases, POST /v1/leases/:id/end: holes in a machine's firewall for the caller's address, for a time.
 * Asked for again, a lease is extended.
 */
import { z } from 'zod';
import { accountName, address, port, slug, targetName, uint64, unixSeconds } from './common.ts';

export const longestLeaseSeconds = 14_400;
export const usualLeaseSeconds = 1_200;

export const leaseRequest = z.strictObject({
  /** Name of a gateway or a host, or of a target: then of the gateways in front of it and of its host. */
  machine: z.union([slug, targetName]),
  /** An address or a network in the grammar of source-address; left out: where the request comes from. */
  network: z.string().min(2).max(64).optional(),
  /** Left out: where the machine's sshd listens. */
  port: port.optional(),
  ttl_seconds: z.int().min(60).max(longestLeaseSeconds).default(usualLeaseSeconds),
});

/** People are shown it: an address or a network, and nothing that a terminal would read as more. */
const shownNetwork = z.string().regex(/^[0-9A-Fa-f.:]{2,45}(\/[0-9]{1,3})?$/);

export const leaseDocument = z.strictObject({
  id: z.uuid(),
  account: accountName,
  /** Of the gateway or host. */
  machine: slug,
  kind: z.enum(['gateway', 'host']),
  address,
  port,
  network: shownNetwork,
  created_at: unixSeconds,
  expires_at: unixSeconds,
});

/** What was made or extended; never none. */
export const leaseReply = z.strictObject({ leases: z.array(leaseDocument).min(1) });

export const leaseList = z.strictObject({
  leases: z.array(leaseDocument),
  /** Where the caller's live connections come from, as machines see them: perhaps not where the server sees it. */
  seen: z.array(z.strictObject({ machine: slug, address: shownNetwork })),
});

export const leaseEnd = z.strictObject({
  id: z.uuid(),
  /** The state version that carries it. */
  version: uint64,
});

export type LeaseDocument = z.infer<typeof leaseDocument>;
export type LeaseReply = z.infer<typeof leaseReply>;
export type LeaseList = z.infer<typeof leaseList>;
export type LeaseEnd = z.infer<typeof leaseEnd>;
