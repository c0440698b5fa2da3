/** Tokens of CI systems at the real token endpoint, each with the claims that its system gives. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMachineAccount } from '../../src/accounts/create-machine-account.ts';
import { checkCiRule } from '../../src/credentials/check-ci-rule.ts';
import { createCiRule, type NewCiRule } from '../../src/credentials/ci-rule-store.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { forgejoClaims, githubClaims, gitlabClaims, kubernetesClaims } from '../credentials/ci-claims.ts';
import { startTestIssuer, type TestIssuer } from '../credentials/token-issuer.ts';
import { type RunningServer, startRunningServer } from './running-server.ts';
import { newProofKey, SallyClient } from './sally-client.ts';

let running: RunningServer;
let ci: TestIssuer;
let organizationId: string;
beforeAll(async () => {
  running = await startRunningServer();
  ci = await startTestIssuer();
  organizationId = await inTransaction(running.database.db, async (tx) => {
    const { id } = await tx.selectFrom('organizations').select('id').executeTakeFirstOrThrow();
    const machine = { organizationId: id, name: 'deploy@acme.test', displayName: 'Deployments', by: 'test' };
    await createMachineAccount(tx, machine, running.now());
    return id;
  });
});
afterAll(async () => {
  await ci.close();
  await running.close();
  expect(running.serverErrors).toEqual([]);
});

async function rule(named: Pick<NewCiRule, 'name' | 'system' | 'issuer' | 'claims'>): Promise<void> {
  const asked: NewCiRule = {
    organizationId,
    audience: running.publicUrl.origin,
    account: 'deploy@acme.test',
    roleLimit: 'contributor',
    lifetimeSeconds: 1_800,
    by: 'alice@acme.test',
    ...named,
  };
  checkCiRule(asked, { allowInsecureLoopback: true });
  await inTransaction(running.database.db, (tx) => createCiRule(tx, asked, running.now()));
}
const mint = (issuer: string, claims: Record<string, unknown>) =>
  ci.mint({ issuer, audience: running.publicUrl.origin, claims, now: running.now() });
const jwt = { subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' };

describe('a job', () => {
  test.each([
    ['github', '/_services/token', githubClaims, { repository_id: ['456789'], environment: ['prod'] }],
    ['gitlab', '', gitlabClaims, { project_path: ['my-group/*'], ref_protected: ['true'] }],
    ['forgejo', '/api/actions', forgejoClaims, { repository: ['user1/testing'] }],
    ['kubernetes', '/id/A1', kubernetesClaims, { '/kubernetes.io/namespace': ['ci'] }],
  ] as const)(
    'of %s gets an access token of a session of mode ci, once, for its own key',
    async (system, path, given, claims) => {
      const issuer = ci.origin + path;
      await rule({ name: system, system, issuer, claims });
      const client = new SallyClient(running, await newProofKey(), 4000);
      const token = await mint(issuer, given);
      const { status, body } = await client.exchange(token, jwt);
      expect([status, body['token_type'], body['expires_in']]).toEqual([200, 'DPoP', 1_800]);
      expect(Object.keys(body).sort()).toEqual([
        'access_token',
        'expires_in',
        'issued_token_type',
        'token_type',
      ]);
      const accessToken = String(body['access_token']);
      const { sessionId } = await running.server.authenticate(await client.presented(accessToken));
      const session = await running.database.db
        .selectFrom('login_sessions')
        .selectAll()
        .where('id', '=', sessionId)
        .executeTakeFirstOrThrow();
      expect(session).toMatchObject({
        kind: 'ci',
        issuer,
        subject: given.sub,
        role_limit: 'contributor',
        mfa: false,
        mfa_by: null,
      });
      const thief = new SallyClient(running, await newProofKey(), 4000);
      await expect(running.server.authenticate(await thief.presented(accessToken))).rejects.toMatchObject({
        code: 'proof_invalid',
      });
      expect(await thief.exchange(token, jwt)).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant' },
      });
    },
  );

  test('that two rules accept names the one that it means', async () => {
    const issuer = `${ci.origin}/id/B2`;
    await rule({
      name: 'one',
      system: 'kubernetes',
      issuer,
      claims: { sub: ['system:serviceaccount:ci:*'] },
    });
    await rule({ name: 'two', system: 'kubernetes', issuer, claims: { '/kubernetes.io/namespace': ['ci'] } });
    const client = new SallyClient(running, await newProofKey(), 4000);
    const token = await mint(issuer, kubernetesClaims);
    const unnamed = await client.exchange(token, jwt);
    expect(unnamed).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    expect(String(unnamed.body['error_description'])).toContain('audience=ORGANIZATION/RULE');
    expect((await client.exchange(token, { ...jwt, audience: 'acme/two' })).status).toBe(200);
  });

  test('whose issuer is away is told to try again, and not that its token is bad', async () => {
    const issuer = `${ci.origin}/id/C3`;
    await rule({
      name: 'away',
      system: 'kubernetes',
      issuer,
      claims: { '/kubernetes.io/namespace': ['ci'] },
    });
    ci.answer = () => ({ status: 503, body: '' });
    const client = new SallyClient(running, await newProofKey(), 4000);
    const { status, body } = await client.exchange(await mint(issuer, kubernetesClaims), jwt);
    ci.answer = undefined;
    expect([status, body['error']]).toEqual([503, 'temporarily_unavailable']);
  });
});
