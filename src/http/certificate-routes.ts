/** Certificates for a person's SSH keys. */
import type { FastifyInstance } from 'fastify';
import { type CertificateReply, certificateRequest, type PossessionChallenge } from '../api/certificates.ts';
import { accountTurns } from './account-turns.ts';
import type { AppParts } from './app-parts.ts';
import { personOf } from './callers.ts';
import { parseInput, parseNoBody } from './parse-input.ts';

export function certificateRoutes(app: FastifyInstance, { authority }: Pick<AppParts, 'authority'>): void {
  const inTurn = accountTurns();

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
