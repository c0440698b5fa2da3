/** One-time codes for SSH where there is no certificate: made by a person, checked by the machine they are typed at. */
import type { FastifyInstance } from 'fastify';
import { type SshCodeReply, type SshCodeVerdict, sshCodeCheck, sshCodeRequest } from '../api/ssh-codes.ts';
import { createSshCode } from '../credentials/create-ssh-code.ts';
import { verifySshCode } from '../credentials/verify-ssh-code.ts';
import { inTransaction } from '../database/transaction.ts';
import type { AppParts } from './app-parts.ts';
import { companionOf, personOf } from './callers.ts';
import { parseInput } from './parse-input.ts';

export function sshCodeRoutes(
  app: FastifyInstance,
  { database, sealer, clock }: Pick<AppParts, 'database' | 'sealer' | 'clock'>,
): void {
  app.post(
    '/v1/ssh-codes',
    {
      config: {
        auth: 'person',
        purpose: 'a one-time code, which the reply holds and nothing else ever does',
      },
    },
    async (request, reply) => {
      const { uses, target } = parseInput(sshCodeRequest, request.body ?? {}, 'body');
      const { sessionId } = personOf(request);
      const { code, account, expiresAt } = await inTransaction(database.db, (tx) =>
        createSshCode(tx, sealer, { sessionId, uses, target }, clock()),
      );
      const made: SshCodeReply = {
        code,
        account,
        uses,
        target,
        expires_at: Math.floor(expiresAt.getTime() / 1000),
      };
      return reply.code(201).send(made);
    },
  );

  app.post(
    '/v1/companions/ssh-codes/verify',
    {
      config: {
        auth: 'companion',
        purpose: 'whether a one-time code is good for a target, which uses it up',
      },
    },
    async (request): Promise<SshCodeVerdict> => {
      const check = parseInput(sshCodeCheck, request.body, 'body');
      const { companionId } = companionOf(request);
      return await inTransaction(database.db, (tx) =>
        verifySshCode(tx, sealer, { companionId, check }, clock()),
      );
    },
  );
}
