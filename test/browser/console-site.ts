/** The whole server with a person's helper sessions and an enrolled gateway, for a browser to look at. */

import { accountForIdentity } from '../../src/accounts/account-for-identity.ts';
import type { CompanionState } from '../../src/api/companions.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { completeEnrolment } from '../../src/inventory/enrolment.ts';
import { newToken, tokenHash } from '../../src/secrets/token.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { type SiteOptions, startWholeSite, type WholeSite } from '../server/whole-site.ts';
import { startedSession } from '../sessions/login.ts';

export interface ConsoleSite extends WholeSite {
  /** A session of sally of a person of the provider. */
  helperSession(username: string, clientName: string): Promise<string>;
  /** The gateway says that it has carried out everything. */
  acknowledge(connectionsEnded: number): Promise<void>;
}

export async function startConsoleSite(options: SiteOptions = {}): Promise<ConsoleSite> {
  const site = await startWholeSite({ ...options, parts: { clock: () => new Date(), ...options.parts } });
  const { database, shop, publicUrl, providers } = site;
  const credential = newToken('companion');
  await inTransaction(database.db, (tx) =>
    completeEnrolment(
      tx,
      shop.gatewayId,
      { hostKey: generateEd25519().publicKeyBlob, credentialHash: tokenHash(credential) },
      new Date(),
    ),
  );
  const ask = async (path: string, body?: object) => {
    const reply = await fetch(new URL(path, publicUrl), {
      method: body ? 'POST' : 'GET',
      headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!reply.ok) throw new Error(`${path}: ${await reply.text()}`);
    return reply;
  };
  return {
    ...site,
    async helperSession(username, clientName) {
      const issuer = providers[0]?.issuer ?? '';
      const identity = {
        issuer,
        subject: username,
        accountName: `${username}@acme.test`,
        displayName: username,
        groups: [],
        organizationSlug: 'acme',
      };
      return await inTransaction(database.db, async (tx) => {
        const { accountId } = await accountForIdentity(tx, identity, new Date());
        return await startedSession(tx, accountId, new Date(), { issuer, clientName });
      });
    },
    async acknowledge(connectionsEnded) {
      const state = (await (await ask('/v1/companions/state')).json()) as CompanionState;
      await ask('/v1/companions/acknowledgement', {
        version: state.version,
        krl_version: state.krl.version,
        connections_ended: connectionsEnded,
        problem: null,
      });
    },
  };
}
