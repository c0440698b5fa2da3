/** A shop with a machine account, a person's account, and everything that an exchange needs. */
import { createMachineAccount } from '../../src/accounts/create-machine-account.ts';
import { checkCiRule } from '../../src/credentials/check-ci-rule.ts';
import { createCiRule, type NewCiRule } from '../../src/credentials/ci-rule-store.ts';
import { createApiToken, type NewApiToken } from '../../src/credentials/create-api-token.ts';
import type { ExchangeParts } from '../../src/credentials/exchange-token.ts';
import { createTokenIssuers } from '../../src/credentials/token-issuers.ts';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createGuardedFetch } from '../../src/outbound/guarded-fetch.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from '../inventory/shop.ts';

export const publicUrl = new URL('https://ssh.example.com');
export const caller = { address: '192.0.2.7', clientName: 'runner', dpopJkt: 'thumbprint-of-a-key' };

export interface MachineWorld extends ExchangeParts {
  readonly database: FreshDatabase;
  readonly shop: Shop;
  /** Moves only when told to. */
  readonly time: { now: Date };
  /** Id of deploy@example.com. */
  readonly machineId: string;
  in<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  token(change?: Partial<NewApiToken> & { lifeSeconds?: number }): ReturnType<typeof createApiToken>;
  rule(rule: Pick<NewCiRule, 'system' | 'issuer' | 'claims'> & Partial<NewCiRule>): Promise<string>;
  events(name: string): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

export async function startMachineWorld(): Promise<MachineWorld> {
  const database = await freshDatabase();
  const time = { now: new Date() };
  const work = <T>(does: (tx: Tx) => Promise<T>) => inTransaction(database.db, does);
  const shop = await work((tx) => createShop(tx, time.now));
  const { organizationId } = shop;
  const machine = {
    organizationId,
    name: 'deploy@example.com',
    displayName: 'Deployments',
    by: 'alice@example.com',
  };
  const machineId = await work((tx) => createMachineAccount(tx, machine, time.now));
  let named = 0;
  return {
    database,
    shop,
    time,
    machineId,
    publicUrl,
    clock: () => time.now,
    tokenIssuers: createTokenIssuers(createGuardedFetch({ allowInsecureLoopback: true }), () => time.now),
    in: work,
    token: async ({ lifeSeconds = 86_400, ...change } = {}) => {
      named += 1;
      const asked: NewApiToken = {
        creator: { accountId: shop.accountId, account: 'alice@example.com', organizationId, role: 'admin' },
        name: `token ${named}`,
        roleLimit: 'contributor',
        sourceRanges: [],
        expiresAt: new Date(time.now.getTime() + lifeSeconds * 1000),
        ...change,
      };
      return await work((tx) => createApiToken(tx, asked, time.now));
    },
    rule: async (rule) => {
      named += 1;
      const asked: NewCiRule = {
        organizationId,
        name: `rule-${named}`,
        audience: publicUrl.origin,
        account: 'deploy@example.com',
        roleLimit: 'contributor',
        lifetimeSeconds: 900,
        by: 'alice@example.com',
        ...rule,
      };
      checkCiRule(asked, { allowInsecureLoopback: true });
      return await work((tx) => createCiRule(tx, asked, time.now));
    },
    events: async (name) => {
      const rows = await database.db
        .selectFrom('audit_events')
        .select('facts')
        .where('event', '=', name)
        .orderBy('id')
        .execute();
      return rows.map(({ facts }) => facts);
    },
    close: database.close,
  };
}
