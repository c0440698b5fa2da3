import { afterAll, beforeAll, expect, test } from 'vitest';
import { loginPolicy } from '../../src/api/login-policy.ts';
import { mostCodeUses } from '../../src/api/ssh-codes.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { enrolWithinSeconds } from '../../src/login/decide-second-factor.ts';
import { userCodeSeconds } from '../../src/oauth/device-authorization.ts';
import { accessTokenSeconds } from '../../src/oauth/resource-server.ts';
import { certificateLifeSeconds } from '../../src/policy/decide-certificate.ts';
import { stepUpSeconds } from '../../src/policy/decide-step-up.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { codeIn, docsPage } from './docs-page.ts';

const page = docsPage('logging-in.md');

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

test('docs/logging-in.md names every setting of the login policy with the default of a new organization', async () => {
  const id = await inTransaction(database.db, (tx) =>
    createOrganization(tx, { slug: 'acme', name: 'Acme', domains: ['acme.test'] }),
  );
  const row = await database.db
    .selectFrom('organizations')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const stored = new Map<string, unknown>(Object.entries(row));
  const settings = Object.keys(loginPolicy.shape);
  expect(page.table('setting').map(([name, value]) => [codeIn(name)[0], codeIn(value)[0]])).toEqual(
    settings.map((name) => [name, JSON.stringify(stored.get(name))]),
  );
});

test('docs/logging-in.md gives the numbers as they are', () => {
  expect(page.table('what').map(([, seconds]) => Number(seconds))).toEqual([
    accessTokenSeconds,
    certificateLifeSeconds,
    userCodeSeconds,
    enrolWithinSeconds,
    stepUpSeconds,
  ]);
  expect(page.text.replaceAll('\n', ' ')).toContain(`up to ${mostCodeUses} times`);
});
