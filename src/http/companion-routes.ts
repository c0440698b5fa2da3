/** What gateways and hosts ask and tell. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  acknowledgement,
  type CompanionState,
  connectionReport,
  type EnrolmentReply,
  enrolmentByKeyRequest,
  enrolmentNonceRequest,
  enrolmentRequest,
  installedVersions,
} from '../api/companions.ts';
import { type HopCertificateReply, hopCertificateRequest } from '../api/hop-certificates.ts';
import { replaceConnections } from '../connections/replace-connections.ts';
import { inTransaction } from '../database/transaction.ts';
import type { AppParts } from './app-parts.ts';
import { companionOf } from './callers.ts';
import { enrolByKey, giveEnrolmentNonce } from './enrol-by-key.ts';
import { enrolCompanion } from './enrol-companion.ts';
import { parseInput } from './parse-input.ts';
import { streamStates } from './stream-states.ts';

/** About 200 bytes a connection. */
const largestReportBytes = 4 * 1024 * 1024;

export function companionRoutes(
  app: FastifyInstance,
  parts: Pick<AppParts, 'database' | 'authority' | 'feed' | 'clock' | 'publicUrl'>,
): void {
  const { database, authority, feed, clock } = parts;

  /** Before it is sent anything: it may have more than this database remembers. */
  async function requireKnown(request: FastifyRequest): Promise<void> {
    const installed = parseInput(installedVersions, request.query, 'query');
    if (!('version' in installed)) return;
    const { version, krl_version } = installed;
    await feed.requireKnown(companionOf(request).companionId, {
      version: BigInt(version),
      krlVersion: BigInt(krl_version),
    });
  }

  app.post(
    '/v1/companions/enrol',
    {
      config: {
        auth: 'none',
        purpose: 'enrols a machine; takes a one-time token and a proof of its host key',
      },
    },
    async (request): Promise<EnrolmentReply> =>
      await enrolCompanion(parts, parseInput(enrolmentRequest, request.body, 'body')),
  );

  app.post(
    '/v1/companions/enrolment-nonces',
    {
      config: {
        auth: 'none',
        purpose: 'what a machine signs with a host key that was registered beforehand',
      },
    },
    async (request) => {
      return await giveEnrolmentNonce(parts, parseInput(enrolmentNonceRequest, request.body, 'body'));
    },
  );

  app.post(
    '/v1/companions/enrol-by-key',
    {
      config: {
        auth: 'none',
        purpose: 'enrols a machine; takes a proof of a host key that was registered beforehand',
      },
    },
    async (request): Promise<EnrolmentReply> =>
      await enrolByKey(parts, parseInput(enrolmentByKeyRequest, request.body, 'body')),
  );

  app.get(
    '/v1/companions/feed',
    { config: { auth: 'companion', purpose: 'states as server-sent events, each when anything changed' } },
    async (request, reply) => {
      await requireKnown(request);
      return await streamStates(parts, companionOf(request), reply);
    },
  );

  app.get(
    '/v1/companions/state',
    { config: { auth: 'companion', purpose: 'the present state, where events do not get through' } },
    async (request): Promise<CompanionState> => {
      await requireKnown(request);
      return await feed.stateFor(companionOf(request).companionId);
    },
  );

  app.post(
    '/v1/companions/acknowledgement',
    { config: { auth: 'companion', purpose: 'which state is installed' } },
    async (request, reply) => {
      const body = parseInput(acknowledgement, request.body, 'body');
      await feed.acknowledge(companionOf(request).companionId, body);
      return reply.code(204).send();
    },
  );

  app.post(
    '/v1/companions/connections',
    { config: { auth: 'companion', purpose: 'the live SSH connections' }, bodyLimit: largestReportBytes },
    async (request) => {
      const report = parseInput(connectionReport, request.body, 'body');
      const { companionId } = companionOf(request);
      const ended_sessions = await inTransaction(database.db, (tx) =>
        replaceConnections(tx, companionId, report, clock()),
      );
      return { ended_sessions };
    },
  );

  app.post(
    '/v1/companions/hop-certificates',
    { config: { auth: 'companion', purpose: 'a minute on one host for a person at a gateway' } },
    async (request): Promise<HopCertificateReply> =>
      await authority.issueHopCertificate({
        companionId: companionOf(request).companionId,
        request: parseInput(hopCertificateRequest, request.body, 'body'),
      }),
  );
}
