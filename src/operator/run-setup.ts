/** `sallyport setup FILE` and `sallyport enrolment-token NAME`: what an operator does before and between logins. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Tx } from '../database/database.ts';
import { migrateToLatest } from '../database/migrate.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { createEnrolmentToken } from '../inventory/enrolment.ts';
import { applySetup } from './apply-setup.ts';
import { type SetupDocument, setupDocument } from './setup-document.ts';
import { withDatabase } from './with-database.ts';

interface Surroundings {
  readonly environment: NodeJS.ProcessEnv;
  readonly stdout: NodeJS.WritableStream;
}

const tokenLifetimeSeconds = 24 * 60 * 60;

/** Applies the file, then prints a one-time token for each machine that is not enrolled yet. */
export async function runSetup({
  file,
  environment,
  stdout,
}: Surroundings & { file: string }): Promise<void> {
  const document = await readSetupDocument(file);
  await withDatabase(environment, async (database) => {
    await migrateToLatest(database.db);
    const lines = await inTransaction(database.db, async (tx) => {
      const companions = await applySetup(tx, document);
      return await tokensForNewCompanions(tx, companions);
    });
    stdout.write(`The organization ${document.organization.slug} is set up.\n`);
    for (const line of lines) stdout.write(`${line}\n`);
  });
}

/** Prints a new one-time token for a gateway or host. */
export async function runEnrolmentToken({
  name,
  environment,
  stdout,
}: Surroundings & { name: string }): Promise<void> {
  await withDatabase(environment, async (database) => {
    const token = await inTransaction(database.db, async (tx) => {
      const found = await tx
        .selectFrom('companions')
        .select('id')
        .where('name', '=', name)
        .executeTakeFirst();
      if (!found) {
        throw new SallyportError(
          'not_found',
          `There is no gateway or host named "${name}". The setup file or the inventory names it first.`,
        );
      }
      return await createEnrolmentToken(tx, found.id, {
        now: new Date(),
        lifetimeSeconds: tokenLifetimeSeconds,
      });
    });
    stdout.write(`${token}\n`);
  });
}

async function readSetupDocument(file: string): Promise<SetupDocument> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? `is not JSON: ${error.message}` : "can't be read";
    throw new SallyportError('settings_invalid', `${file} ${why}. See deploy/setup.example.json.`);
  }
  const document = setupDocument.safeParse(parsed);
  if (document.success) return document.data;
  throw new SallyportError(
    'settings_invalid',
    `${file} needs attention:\n${z.prettifyError(document.error)}`,
  );
}

async function tokensForNewCompanions(tx: Tx, companions: ReadonlyMap<string, string>): Promise<string[]> {
  const lines: string[] = [];
  for (const [name, id] of companions) {
    const row = await tx
      .selectFrom('companions')
      .select(['kind', 'enrolled_at'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    if (row.enrolled_at !== null) continue;
    const token = await createEnrolmentToken(tx, id, {
      now: new Date(),
      lifetimeSeconds: tokenLifetimeSeconds,
    });
    lines.push(`${row.kind} ${name}: one-time enrolment token, good for a day: ${token}`);
  }
  return lines;
}
