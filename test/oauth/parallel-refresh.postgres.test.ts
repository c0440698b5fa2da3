import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { recordId } from '../../src/oauth/record-store.ts';
import { hasPostgres } from '../database/fresh-database.ts';
import { type LandingPlace, openLandingPlace } from '../login/landing-place.ts';
import { type RunningServer, startRunningServer } from './running-server.ts';
import { newProofKey, SallyClient } from './sally-client.ts';

let running: RunningServer;
let landing: LandingPlace;
beforeAll(async () => {
  running = await startRunningServer();
  landing = await openLandingPlace();
});
afterAll(async () => {
  await landing.close();
  await running.close();
});

test.skipIf(!hasPostgres)(
  'fifty refreshes of one token at once leave exactly one token, and it works',
  async () => {
    const client = new SallyClient(running, await newProofKey(), landing.port);
    const { refresh_token, access_token } = await client.tokensOf(running.people.carol);

    const answers = await Promise.all(Array.from({ length: 50 }, () => client.refresh(refresh_token)));

    for (const { status, body } of answers) {
      if (status !== 200) expect({ status, ...body }).toMatchObject({ status: 400, error: 'invalid_grant' });
    }
    expect(running.serverErrors).toEqual([]);
    const given = answers.flatMap(({ status, body }) =>
      status === 200 ? [String(body['refresh_token'])] : [],
    );
    expect(given.length).toBeGreaterThan(0);

    const left = await running.database.db
      .selectFrom('oauth_records')
      .select('id')
      .where('model', '=', 'RefreshToken')
      .where('consumptions', '=', 0)
      .execute();
    expect(left).toHaveLength(1);
    // Dead ones first: none of them may harm the one that lives.
    const dead: string[] = [];
    const alive: string[] = [];
    for (const token of given) {
      const known = await running.database.db
        .selectFrom('oauth_records')
        .select('id')
        .where('model', '=', 'RefreshToken')
        .where('id', '=', recordId(token))
        .executeTakeFirst();
      (known ? alive : dead).push(token);
    }
    expect(alive).toHaveLength(1);
    for (const token of dead) {
      expect(await client.refresh(token)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    }
    expect((await client.refresh(alive[0] ?? '')).status).toBe(200);

    const session = await running.database.db
      .selectFrom('login_sessions')
      .select('ended_at')
      .where('id', '=', String(decodeJwt(access_token)['sid']))
      .executeTakeFirstOrThrow();
    expect(session.ended_at).toBeNull();
  },
);
