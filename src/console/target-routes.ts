/** Targets, as the person at the browser may see them. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { targetName } from '../api/common.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { type BrowserCaller, browserOf } from '../http/callers.ts';
import { parseInput } from '../http/parse-input.ts';
import { sendPage } from '../http/security-headers.ts';
import { visibleTargets } from '../http/visible-targets.ts';
import { targetPage } from '../pages/target-page.ts';
import { targetsPage } from '../pages/targets-page.ts';
import type { ConsoleParts } from './console-parts.ts';

const query = z.strictObject({ after: targetName.optional() });
const onePage = 100;

export function targetPageRoutes(app: FastifyInstance, { database, clock }: ConsoleParts): void {
  app.get(
    '/console/targets',
    { config: { auth: 'browser', purpose: 'page: targets that one may see, with why not' } },
    async (request, reply) => {
      const { after } = parseInput(query, request.query, 'query');
      const person = browserOf(request);
      const page = await inTransaction(database.db, (tx) =>
        visibleTargets(tx, person, { after, limit: onePage }, clock()),
      );
      return sendPage(reply, targetsPage({ ...viewer(person), page, isLater: after !== undefined }));
    },
  );

  app.get(
    '/console/targets/:target',
    { config: { auth: 'browser', purpose: 'page: one target, with the lines that reach it' } },
    async (request, reply) => {
      const { target: text } = request.params as { target: string };
      const name = targetName.safeParse(text).data;
      const person = browserOf(request);
      const found = await inTransaction(database.db, (tx) =>
        // What cannot be a name is nobody's.
        visibleTargets(tx, person, { after: undefined, limit: 1, only: name ?? '' }, clock()),
      );
      const [target] = found.targets;
      if (!target) {
        throw new SallyportError('not_found', 'There is no target of this name that you have a role on.');
      }
      const gateway = found.gateways.find(({ name: one }) => one === target.gateways[0]);
      return sendPage(reply, targetPage({ ...viewer(person), target, gateway }));
    },
  );
}

function viewer(person: BrowserCaller) {
  return { person, isAdmin: person.role === 'admin' };
}
