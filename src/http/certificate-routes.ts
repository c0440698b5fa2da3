/** Certificates for a person's SSH keys. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { loadAccount } from '../accounts/account.ts';
import {
  type CertificateReply,
  certificateRequest,
  type KeyPolicy,
  type PossessionChallenge,
} from '../api/certificates.ts';
import { accountTurns } from './account-turns.ts';
import type { AppParts } from './app-parts.ts';
import { personOf } from './callers.ts';
import { parseInput, parseNoBody } from './parse-input.ts';

const noQuery = z.strictObject({});

export function certificateRoutes(
  app: FastifyInstance,
  { authority, database }: Pick<AppParts, 'authority' | 'database'>,
): void {
  const inTurn = accountTurns();

  app.get(
    '/v1/key-policy',
    { config: { auth: 'person', purpose: 'what the organization asks of one’s SSH key' } },
    async (request): Promise<KeyPolicy> => {
      parseInput(noQuery, request.query, 'query');
      const { organization } = await loadAccount(database.db, personOf(request).accountId);
      const { keys, attestation } = organization.hardware;
      return { hardware_keys: keys, attestation: keys !== 'off' && attestation };
    },
  );

  app.post(
    '/v1/certificates/challenge',
    { config: { auth: 'person', machines: true, purpose: 'a nonce to sign with a new SSH key' } },
    async (request): Promise<PossessionChallenge> => {
      parseNoBody(request.body);
      const { accountId, sessionId } = personOf(request);
      return inTurn(accountId, () => authority.createChallenge(sessionId));
    },
  );

  app.post(
    '/v1/certificates',
    {
      config: {
        auth: 'person',
        machines: true,
        purpose: 'an SSH certificate; the same again for the same request_id',
      },
    },
    async (request): Promise<CertificateReply> => {
      const { accountId, sessionId } = personOf(request);
      const asked = {
        sessionId,
        request: parseInput(certificateRequest, request.body, 'body'),
        clientAddress: request.ip,
      };
      return inTurn(accountId, () => authority.issueUserCertificate(asked));
    },
  );
}
