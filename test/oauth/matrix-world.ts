/** Everything that the matrix needs: a server, an identity provider, and a machine with an API token. */
import { createMachineAccount } from '../../src/accounts/create-machine-account.ts';
import { createApiToken } from '../../src/credentials/create-api-token.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { type LandingPlace, openLandingPlace } from '../login/landing-place.ts';
import { startTestProvider, type TestProvider } from '../login/test-provider.ts';
import { type RunningServer, startRunningServer } from './running-server.ts';
import { newProofKey, SallyClient } from './sally-client.ts';

export interface MatrixWorld {
  readonly running: RunningServer;
  readonly provider: TestProvider;
  readonly landing: LandingPlace;
  readonly apiToken: string;
  client(): Promise<SallyClient>;
  /** A client with a code that nobody has redeemed. */
  code(): Promise<{ readonly client: SallyClient; readonly code: string }>;
  tokens(): Promise<{ readonly client: SallyClient; readonly access: string; readonly refresh: string }>;
  /** Nobody is over a limit, and nobody polls too early. */
  forgetLimits(): Promise<void>;
  close(): Promise<void>;
}

export const person = 'dora';

export async function startMatrixWorld(): Promise<MatrixWorld> {
  const people = [{ username: person, email: `${person}@acme.test` }];
  const provider = await startTestProvider({ slug: 'corp', people });
  const running = await startRunningServer({ providers: [provider] });
  const landing = await openLandingPlace();
  const { db } = running.database;
  await db.updateTable('organizations').set({ device_login: 'on' }).execute();
  const client = async () => new SallyClient(running, await newProofKey(), landing.port);
  const world: MatrixWorld = {
    running,
    provider,
    landing,
    apiToken: await apiToken(running),
    client,
    async code() {
      const one = await client();
      const start = await one.authorizationUrl({ provider: 'corp' });
      const { url } = await provider.logIn(one.browser, start, person);
      return { client: one, code: url.searchParams.get('code') ?? '' };
    },
    async tokens() {
      const { client: one, code } = await world.code();
      const { body } = await one.redeem(code);
      return { client: one, access: String(body['access_token']), refresh: String(body['refresh_token']) };
    },
    async forgetLimits() {
      await db.deleteFrom('attempts').execute();
      await db.deleteFrom('device_polls').execute();
    },
    async close() {
      await landing.close();
      await running.close();
      await provider.close();
    },
  };
  return world;
}

async function apiToken(running: RunningServer): Promise<string> {
  const now = running.now();
  return await inTransaction(running.database.db, async (tx) => {
    const { id: organizationId } = await tx
      .selectFrom('organizations')
      .select('id')
      .executeTakeFirstOrThrow();
    const account = 'deploy@acme.test';
    const machine = { organizationId, name: account, displayName: 'Deploy', by: 'alice@acme.test' };
    const accountId = await createMachineAccount(tx, machine, now);
    const creator = { accountId, account, organizationId, role: null };
    const expiresAt = new Date(now.getTime() + 3_600_000);
    const asked = { creator, name: 'deploy', roleLimit: 'viewer', sourceRanges: [], expiresAt } as const;
    return (await createApiToken(tx, asked, now)).text;
  });
}
