/** Leases: one's own, and for admins all of the organization. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  type LeaseDocument,
  type LeaseEnd,
  type LeaseList,
  type LeaseReply,
  leaseRequest,
} from '../api/leases.ts';
import { createLease } from '../connections/create-lease.ts';
import { endLease } from '../connections/end-lease.ts';
import {
  type Lease,
  type LeaseScope,
  leasesById,
  listLeases,
  seenAddresses,
} from '../connections/lease-store.ts';
import type { Tx } from '../database/database.ts';
import { inSnapshot, inTransaction } from '../database/transaction.ts';
import type { AppParts } from './app-parts.ts';
import { personOf } from './callers.ts';
import { membershipOf } from './membership.ts';
import { parseId, parseInput, parseNoBody } from './parse-input.ts';

const noQuery = z.strictObject({});

export function leaseRoutes(
  app: FastifyInstance,
  { database, clock }: Pick<AppParts, 'database' | 'clock'>,
): void {
  async function callerOf(tx: Tx, request: FastifyRequest) {
    const { accountId, sessionId, roleLimit } = personOf(request);
    const membership = await membershipOf(tx, accountId, clock(), roleLimit);
    const isAdmin = membership.role === 'admin';
    const scope: LeaseScope = isAdmin ? { organizationId: membership.organizationId } : { accountId };
    return { ...membership, accountId, sessionId, isAdmin, scope };
  }

  app.get(
    '/v1/leases',
    {
      config: {
        auth: 'person',
        machines: true,
        purpose: 'one’s own leases of firewalls, for admins all of the organization',
      },
    },
    async (request): Promise<LeaseList> => {
      parseInput(noQuery, request.query, 'query');
      return await inSnapshot(database.db, async (tx) => {
        const { scope, accountId } = await callerOf(tx, request);
        const leases = await listLeases(tx, scope, clock());
        return { leases: leases.map(documentOf), seen: await seenAddresses(tx, accountId) };
      });
    },
  );

  app.post(
    '/v1/leases',
    {
      config: {
        auth: 'person',
        machines: true,
        purpose: 'opens a machine’s firewall for an address, for a time; again: for longer',
      },
    },
    async (request, reply) => {
      const asked = parseInput(leaseRequest, request.body, 'body');
      const made = await inTransaction(database.db, async (tx): Promise<LeaseReply> => {
        const now = clock();
        const caller = await callerOf(tx, request);
        const { machine, port, network = request.ip, ttl_seconds: ttlSeconds } = asked;
        const ids = await createLease(tx, { ...caller, machine, port, network, ttlSeconds }, now);
        return { leases: (await leasesById(tx, ids, now)).map(documentOf) };
      });
      return reply.code(201).send(made);
    },
  );

  app.post(
    '/v1/leases/:id/end',
    { config: { auth: 'person', machines: true, purpose: 'closes a firewall again' } },
    async (request): Promise<LeaseEnd> => {
      parseNoBody(request.body);
      const id = parseId((request.params as { id?: unknown }).id, 'lease');
      const version = await inTransaction(database.db, async (tx) => {
        const { scope: within, account: by } = await callerOf(tx, request);
        return await endLease(tx, { id, within, by }, clock());
      });
      return { id, version: `${version}` };
    },
  );
}

function documentOf({ createdAt, expiresAt, ...lease }: Lease): LeaseDocument {
  return { ...lease, created_at: seconds(createdAt), expires_at: seconds(expiresAt) };
}

function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
