/** The CA keys, for operators: how they stand, letting one follow the other, and ending one. */
import type { FastifyInstance } from 'fastify';
import {
  type CaStatus,
  type RetireReply,
  type RotateReply,
  retireRequest,
  rotateRequest,
} from '../api/ca-keys.ts';
import { caStatus } from '../ca/ca-status.ts';
import { retireCaKey } from '../ca/retire-ca-key.ts';
import { type CaKeyChange, rotateCaKey, waitText } from '../ca/rotate-ca-key.ts';
import type { AppParts } from './app-parts.ts';
import { type OperatorCaller, operatorOf } from './callers.ts';
import { parseInput } from './parse-input.ts';

export function caRoutes(
  app: FastifyInstance,
  { database, keyFiles, clock }: Pick<AppParts, 'database' | 'keyFiles' | 'clock'>,
): void {
  const changeBy = ({ account }: OperatorCaller): CaKeyChange => {
    return { db: database.db, ...keyFiles, now: clock(), by: account };
  };

  app.get(
    '/v1/ca',
    { config: { auth: 'operator', purpose: 'how every generation of the CA keys stands' } },
    async (): Promise<CaStatus> => await caStatus(database.db, clock()),
  );

  app.post(
    '/v1/ca/rotate',
    { config: { auth: 'operator', purpose: 'makes the next CA key, or lets it sign' } },
    async (request): Promise<RotateReply> => {
      const rotation = parseInput(rotateRequest, request.body, 'body');
      const { waits, ...done } = await rotateCaKey(changeBy(operatorOf(request)), rotation);
      return { ...done, waits_for: waits.map(waitText) };
    },
  );

  app.post(
    '/v1/ca/retire',
    { config: { auth: 'operator', purpose: 'ends a CA key; a compromised one at once' } },
    async (request): Promise<RetireReply> => {
      const retirement = parseInput(retireRequest, request.body, 'body');
      const { replacedBy, purpose, generation, compromised } = await retireCaKey(
        changeBy(operatorOf(request)),
        retirement,
      );
      return { purpose, generation, compromised, replaced_by: replacedBy };
    },
  );
}
