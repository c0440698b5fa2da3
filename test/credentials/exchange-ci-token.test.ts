import { generateKeyPair } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { removeCiRule } from '../../src/credentials/ci-rule-store.ts';
import { type CiTokenExchange, exchangeCiToken } from '../../src/credentials/exchange-token.ts';
import { createTokenIssuers } from '../../src/credentials/token-issuers.ts';
import { createGuardedFetch } from '../../src/outbound/guarded-fetch.ts';
import { lockLiveSession } from '../../src/sessions/lock-live-session.ts';
import { forgejoClaims, githubClaims, gitlabClaims, kubernetesClaims } from './ci-claims.ts';
import { caller, type MachineWorld, publicUrl, startMachineWorld } from './machine-world.ts';
import { type Minted, startTestIssuer, type TestIssuer } from './token-issuer.ts';

let world: MachineWorld;
let ci: TestIssuer;
beforeAll(async () => {
  world = await startMachineWorld();
  ci = await startTestIssuer();
});
afterAll(async () => {
  await ci.close();
  await world.close();
});
beforeEach(async () => {
  await world.database.db.updateTable('ci_rules').set({ removed_at: new Date() }).execute();
  ci.answer = undefined;
});

const issuers = {
  github: () => `${ci.origin}/_services/token`,
  gitlab: () => ci.origin,
  forgejo: () => `${ci.origin}/api/actions`,
  kubernetes: () => `${ci.origin}/id/0123456789ABCDEF`,
};
const exchange = (jwt: string, change: Partial<CiTokenExchange> = {}) =>
  exchangeCiToken(world, { ...caller, jwt, ...change });
const mint = (system: keyof typeof issuers, claims: Record<string, unknown>, change: Partial<Minted> = {}) =>
  ci.mint({ issuer: issuers[system](), audience: publicUrl.origin, claims, now: world.time.now, ...change });
/** The same world with issuers that nobody has asked yet. */
const withoutKeys = () => ({
  ...world,
  tokenIssuers: createTokenIssuers(createGuardedFetch({ allowInsecureLoopback: true }), world.clock),
});
const refused = (message: RegExp | string) => ({
  code: 'grant_invalid',
  message: expect.stringMatching(message),
});

describe('each system with the claims it really has', () => {
  test.each([
    ['github', githubClaims, { repository_id: ['456789'], ref: ['refs/heads/main'], environment: ['prod'] }],
    ['github', githubClaims, { sub: ['repo:octo-org@123456/octo-repo@456789:environment:*'] }],
    ['gitlab', gitlabClaims, { project_path: ['my-group/*'], ref_protected: ['true'] }],
    ['gitlab', gitlabClaims, { namespace_id: ['72'], groups_direct: ['my-group/deployers'] }],
    ['forgejo', forgejoClaims, { repository: ['user1/testing'], ref: ['refs/heads/*'] }],
    ['kubernetes', kubernetesClaims, { sub: ['system:serviceaccount:ci:deployer'] }],
    [
      'kubernetes',
      kubernetesClaims,
      { '/kubernetes.io/namespace': ['ci'], '/kubernetes.io/serviceaccount/name': ['deploy*'] },
    ],
  ] as const)('%s: %#', async (system, claims, wanted) => {
    await world.rule({ system, issuer: issuers[system](), claims: wanted });
    const jwt = await mint(system, claims, {
      ...(system === 'kubernetes' ? { audience: [publicUrl.origin], header: { typ: undefined } } : {}),
      ...(system === 'forgejo' ? { jti: null } : {}),
    });
    const { sessionId, accountId } = await exchange(jwt);
    expect(accountId).toBe(world.machineId);
    const session = await world.in((tx) => lockLiveSession(tx, sessionId, 'share', world.time.now));
    expect(session).toMatchObject({
      kind: 'ci',
      issuer: issuers[system](),
      subject: claims.sub,
      dpopJkt: caller.dpopJkt,
      facts: { mode: 'ci', roleLimit: 'contributor', assurance: { mfa: false, mfaBy: null } },
    });
    await expect(exchange(jwt)).rejects.toMatchObject(refused(/used before; each is good once/));
  });
});

describe('a token that a rule does not mean', () => {
  const claims = { repository: ['octo-org/octo-repo'], ref: ['refs/heads/main'] };

  test.each([
    ['another repository', { repository: 'octo-org/octo-repo-evil' }],
    ["another owner's of the same name", { repository: 'evil/octo-org/octo-repo' }],
    ['another case', { repository: 'Octo-Org/octo-repo' }],
    ['another branch', { ref: 'refs/heads/main2' }],
    ['without the claim', { repository: undefined }],
    ['a list instead of text', { repository: ['octo-org/octo-repo'] }],
    ['an object', { repository: { toString: 'octo-org/octo-repo' } }],
    ['an empty text', { repository: '' }],
  ])('%s', async (_what, change) => {
    await world.rule({ system: 'github', issuer: issuers.github(), claims });
    const jwt = await mint('github', { ...githubClaims, ...change });
    await expect(exchange(jwt)).rejects.toMatchObject(refused(/No rule here accepts this token/));
  });

  test.each([
    ['https://other.example.com'],
    ['https://ssh.example.com/'],
    ['https://SSH.example.com'],
    [['https://ssh.example.com', 'https://other.example.com']],
    [[]],
  ])('for the audience %j', async (audience) => {
    await world.rule({ system: 'github', issuer: issuers.github(), claims });
    const jwt = await mint('github', githubClaims, { audience });
    await expect(exchange(jwt)).rejects.toMatchObject({ code: 'grant_invalid' });
  });

  test('inherited members are no claims', async () => {
    await world.rule({
      system: 'other',
      issuer: issuers.kubernetes(),
      claims: { '/constructor/name': ['Object'] },
    });
    const jwt = await mint('kubernetes', kubernetesClaims);
    await expect(exchange(jwt)).rejects.toMatchObject(refused(/No rule here accepts/));
  });
});

describe('a token that its issuer did not make so', () => {
  const hour = 3_600;
  const now = () => Math.floor(world.time.now.getTime() / 1000);

  test.each<[string, () => Partial<Minted>]>([
    ['expired', () => ({ times: { exp: now() - 120, iat: now() - hour, nbf: now() - hour } })],
    ['without an end', () => ({ times: { exp: undefined } })],
    ['without a beginning', () => ({ times: { iat: undefined } })],
    ['from the future', () => ({ times: { iat: now() + 120 } })],
    ['not good yet', () => ({ times: { nbf: now() + 120 } })],
    ['too old, whatever its end', () => ({ times: { iat: now() - 25 * hour, exp: now() + hour } })],
    ['with an end that is no number', () => ({ times: { exp: 'never' as unknown as number } })],
    ['another kind of JWT', () => ({ header: { typ: 'at+jwt' } })],
    ['without a key id', () => ({ header: { kid: undefined } })],
    ['with an extension that must be understood', () => ({ header: { crit: ['x'], x: 1 } })],
    [
      'signed with the public key as a secret',
      () => ({
        header: { alg: 'HS256' },
        key: Buffer.from(JSON.stringify(ci.publicJwk())),
      }),
    ],
    ['another algorithm than the key has', () => ({ header: { alg: 'RS512' } })],
  ])('%s', async (_what, change) => {
    await world.rule({ system: 'github', issuer: issuers.github(), claims: { repository_id: ['456789'] } });
    const jwt = await mint('github', githubClaims, change()).catch(() => 'unsignable');
    const forged = jwt === 'unsignable' ? await relabelled(change()) : jwt;
    await expect(exchange(forged)).rejects.toMatchObject({ code: 'grant_invalid' });
  });

  /** A good token under another header: what a library refuses to sign. */
  async function relabelled({ header }: Partial<Minted>): Promise<string> {
    const [, payload, signature] = (await mint('github', githubClaims)).split('.');
    const head = { alg: 'RS256', kid: ci.publicJwk().kid, ...header };
    return [Buffer.from(JSON.stringify(head)).toString('base64url'), payload, signature].join('.');
  }

  test.each(['none', 'None', 'NONE', 'nOnE', ''])('alg %j', async (alg) => {
    await world.rule({ system: 'github', issuer: issuers.github(), claims: { repository_id: ['456789'] } });
    const [head, payload] = (await relabelled({ header: { alg } })).split('.');
    await expect(exchange(`${head}.${payload}.`)).rejects.toMatchObject({ code: 'grant_invalid' });
  });

  test('another key, and a key that the token brings itself', async () => {
    await world.rule({ system: 'github', issuer: issuers.github(), claims: { repository_id: ['456789'] } });
    const { privateKey } = await generateKeyPair('RS256');
    for (const header of [{}, { jwk: ci.publicJwk() }, { jku: `${ci.origin}/evil`, kid: 'mine' }]) {
      const jwt = await mint('github', githubClaims, { key: privateKey, header });
      await expect(exchange(jwt)).rejects.toMatchObject({ code: 'grant_invalid' });
    }
    expect(ci.requests).not.toContain('/evil');
  });

  test.each(['', 'a', 'a.b.c', 'a.b', '..', `${'a'.repeat(20_000)}.b.c`])('rubbish %#', async (jwt) => {
    await expect(exchange(jwt)).rejects.toMatchObject({ code: 'grant_invalid' });
  });
});

describe('the issuer', () => {
  const claims = { repository_id: ['456789'] };

  test('that no rule names is asked nothing, nor one spelled otherwise', async () => {
    await world.rule({ system: 'github', issuer: issuers.github(), claims });
    const asked = ci.requests.length;
    for (const issuer of [`${ci.origin}/elsewhere`, `${issuers.github()}/`, issuers.github().toUpperCase()]) {
      const jwt = await mint('github', githubClaims, { issuer });
      await expect(exchange(jwt)).rejects.toMatchObject(refused(/No rule here is for tokens of the issuer/));
    }
    expect(ci.requests.length).toBe(asked);
  });

  test('is asked once for many tokens', async () => {
    const fresh = withoutKeys();
    await world.rule({ system: 'github', issuer: issuers.github(), claims });
    const asked = ci.requests.length;
    const tokens = await Promise.all(Array.from({ length: 5 }, () => mint('github', githubClaims)));
    await Promise.all(tokens.map((jwt) => exchangeCiToken(fresh, { ...caller, jwt })));
    expect(ci.requests.length - asked).toBe(2);
  });

  test('may rotate its keys: asked again for an unknown one, but not for each of many', async () => {
    const fresh = withoutKeys();
    await world.rule({ system: 'github', issuer: issuers.github(), claims });
    await exchangeCiToken(fresh, { ...caller, jwt: await mint('github', githubClaims) });
    await ci.rotate();
    world.time.now = new Date(world.time.now.getTime() + 31_000);
    await exchangeCiToken(fresh, { ...caller, jwt: await mint('github', githubClaims) });
    const asked = ci.requests.length;
    for (let time = 0; time < 5; time += 1) {
      const jwt = await mint('github', githubClaims, { header: { kid: `unknown ${time}` } });
      await expect(exchangeCiToken(fresh, { ...caller, jwt })).rejects.toMatchObject({
        code: 'grant_invalid',
      });
    }
    expect(ci.requests.length).toBe(asked);
  });

  test('that is away: its keys count for an hour, then it is an outage; nobody asks it for every token', async () => {
    const fresh = withoutKeys();
    await world.rule({ system: 'github', issuer: issuers.github(), claims });
    await exchangeCiToken(fresh, { ...caller, jwt: await mint('github', githubClaims) });
    ci.answer = () => ({ status: 503, body: 'away' });
    world.time.now = new Date(world.time.now.getTime() + 55 * 60_000);
    await exchangeCiToken(fresh, { ...caller, jwt: await mint('github', githubClaims) });
    world.time.now = new Date(world.time.now.getTime() + 6 * 60_000);
    const asked = ci.requests.length;
    for (let time = 0; time < 4; time += 1) {
      const jwt = await mint('github', githubClaims);
      await expect(exchangeCiToken(fresh, { ...caller, jwt })).rejects.toMatchObject({ code: 'unavailable' });
    }
    expect(ci.requests.length - asked).toBe(1);
  });

  test.each([
    ['of another name', (origin: string) => JSON.stringify({ issuer: origin, jwks_uri: `${origin}/jwks` })],
    ['that is no JSON', () => '<html>'],
    ['without keys', (origin: string) => JSON.stringify({ issuer: `${origin}/_services/token` })],
    [
      'with keys at a plain address',
      (origin: string) =>
        JSON.stringify({ issuer: `${origin}/_services/token`, jwks_uri: 'http://192.0.2.1/jwks' }),
    ],
  ])('with a document %s', async (_what, body) => {
    const fresh = withoutKeys();
    await world.rule({ system: 'github', issuer: issuers.github(), claims });
    ci.answer = (path) => (path.endsWith('/jwks') ? undefined : { status: 200, body: body(ci.origin) });
    const jwt = await mint('github', githubClaims);
    await expect(exchangeCiToken(fresh, { ...caller, jwt })).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('several rules', () => {
  const rule = (name: string, claims: Record<string, string[]>) =>
    world.rule({ system: 'github', issuer: issuers.github(), name, claims });

  test('that match the same token are refused, unless the request names one', async () => {
    await rule('wide', { repository: ['octo-org/*'] });
    await rule('narrow', { repository_id: ['456789'] });
    const jwt = await mint('github', githubClaims);
    await expect(exchange(jwt)).rejects.toMatchObject(refused(/More than one rule/));
    await expect(exchange(jwt, { audience: 'acme' })).rejects.toMatchObject(refused(/More than one rule/));
    await expect(exchange(jwt, { audience: 'acme/none' })).rejects.toMatchObject(refused(/No rule of acme/));
    await exchange(jwt, { audience: 'acme/narrow' });
  });

  test('of which one matches: that one', async () => {
    await rule('web', { repository: ['octo-org/web'] });
    await rule('repo', { repository: ['octo-org/octo-repo'] });
    const { sessionId } = await exchange(await mint('github', githubClaims));
    const [event] = (await world.events('ci_token.accepted')).slice(-1);
    expect([event, sessionId]).toEqual([
      { rule: 'repo', issuer: issuers.github(), subject: githubClaims.sub },
      expect.any(String),
    ]);
  });
});

describe('a rule that ends', () => {
  const claims = { repository_id: ['456789'] };

  test('ends its sessions; its name can be used again', async () => {
    const id = await world.rule({ system: 'github', issuer: issuers.github(), claims, name: 'again' });
    const { sessionId } = await exchange(await mint('github', githubClaims));
    const { organizationId } = world.shop;
    const removed = await world.in((tx) =>
      removeCiRule(tx, { id, organizationId, by: 'alice@example.com' }, world.time.now),
    );
    expect(removed.sessionsEnded).toBe(1);
    await expect(
      world.in((tx) => lockLiveSession(tx, sessionId, 'share', world.time.now)),
    ).rejects.toMatchObject({ code: 'session_ended' });
    await expect(exchange(await mint('github', githubClaims))).rejects.toMatchObject({
      code: 'grant_invalid',
    });
    await world.rule({ system: 'github', issuer: issuers.github(), claims, name: 'again' });
  });

  test('while its token was being verified gives nothing', async () => {
    const id = await world.rule({ system: 'github', issuer: issuers.github(), claims });
    const { organizationId } = world.shop;
    const tokenIssuers: typeof world.tokenIssuers = {
      verify: async (...asked) => {
        const token = await world.tokenIssuers.verify(...asked);
        await world.in((tx) => removeCiRule(tx, { id, organizationId, by: 'a@example.com' }, world.time.now));
        return token;
      },
    };
    const jwt = await mint('github', githubClaims);
    await expect(exchangeCiToken({ ...world, tokenIssuers }, { ...caller, jwt })).rejects.toMatchObject(
      refused(/was removed/),
    );
  });

  test('of another organization is as unknown as one that never was', async () => {
    const id = await world.rule({ system: 'github', issuer: issuers.github(), claims });
    const organizationId = '00000000-0000-4000-8000-000000000000';
    await expect(
      world.in((tx) => removeCiRule(tx, { id, organizationId, by: 'x@example.com' }, world.time.now)),
    ).rejects.toMatchObject({ code: 'not_found' });
  });
});

test('of many requests with one token at the same moment, one gets a session', async () => {
  await world.rule({ system: 'github', issuer: issuers.github(), claims: { repository_id: ['456789'] } });
  const jwt = await mint('github', githubClaims);
  const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => exchange(jwt)));
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('a session lasts as long as its rule says', async () => {
  const { time } = world;
  await world.rule({
    system: 'github',
    issuer: issuers.github(),
    claims: { repository_id: ['456789'] },
    lifetimeSeconds: 7_200,
  });
  const { expiresAt } = await exchange(await mint('github', githubClaims));
  expect(expiresAt.getTime() - time.now.getTime()).toBe(7_200_000);
});

test('where the organization wants people only, a good token is refused and told why', async () => {
  await world.rule({ system: 'github', issuer: issuers.github(), claims: { repository_id: ['456789'] } });
  await world.database.db.updateTable('organizations').set({ machine_access: false }).execute();
  await expect(exchange(await mint('github', githubClaims))).rejects.toMatchObject({ code: 'forbidden' });
  await world.database.db.updateTable('organizations').set({ machine_access: true }).execute();
});

test('a refusal is on record with its reason, without the token', async () => {
  const jwt = await mint('github', githubClaims);
  await expect(exchange(jwt, { address: '203.0.113.77' })).rejects.toMatchObject({ code: 'grant_invalid' });
  const [event] = (await world.events('ci_token.refused')).slice(-1);
  expect(event).toMatchObject({
    code: 'grant_invalid',
    subject: githubClaims.sub,
    client_address: '203.0.113.77',
  });
  expect(JSON.stringify(event)).not.toContain(jwt.slice(-20));
});
