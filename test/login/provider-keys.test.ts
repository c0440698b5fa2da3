import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ForgingWorld, openForgingWorld, unixNow, withCode } from './forging-world.ts';

let world: ForgingWorld;
beforeAll(async () => {
  world = await openForgingWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

const keyRequests = () => world.forging.requests.filter((path) => path === '/jwks').length;

/** A new key of the provider, under `kid`; from now on it signs with it. */
async function rotate(kid: string | undefined) {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const named = kid === undefined ? {} : { kid };
  world.forging.keys = [{ ...(await exportJWK(publicKey)), ...named, use: 'sig' }];
  world.forging.sign = (claims: JWTPayload) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'ES256', ...named }).sign(privateKey);
}

/** An answer of ours instead of the keys. */
function noKeys() {
  world.forging.answer = (path, response) => {
    if (path !== '/jwks') return false;
    response.destroy();
    return true;
  };
}

describe('[abuse 52] a key id', () => {
  const names = [
    '../../../etc/passwd',
    '/dev/null',
    "' or 1=1 --",
    '"; drop table login_sessions; --',
    'http://127.0.0.1:1/key',
    '__proto__',
    'constructor',
    'honest\u0000',
    'HONEST',
    'x'.repeat(10_000),
    '',
  ];

  test('that is none of the provider’s is refused, whatever it looks like, and leads to one reading of its keys', async () => {
    await world.logIn();
    expect(keyRequests()).toBe(1);
    const { privateKey } = await generateKeyPair('ES256');
    for (const kid of names) {
      world.forging.sign = (claims: JWTPayload) =>
        new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey);
      await expect(world.logIn()).rejects.toEqual(withCode('login_rejected'));
    }
    expect(keyRequests()).toBe(2);
    world.forging.sign = null;
    expect((await world.logIn()).subject).toBe('subject-1');
  });

  test('that is unknown in twenty logins at the same moment leads to one reading', async () => {
    await world.logIn();
    const { privateKey } = await generateKeyPair('ES256');
    world.forging.sign = (claims: JWTPayload) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'nobody' }).sign(privateKey);
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => world.logIn()));
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    expect(keyRequests()).toBe(2);
    world.advance(31);
    await expect(world.logIn()).rejects.toEqual(withCode('login_rejected'));
    expect(keyRequests()).toBe(3);
  });
});

describe('keys that the provider rotates', () => {
  test('are good from the first token on, and the old ones no longer', async () => {
    await world.logIn();
    const { forging } = world;
    await rotate('new');
    expect((await world.logIn()).subject).toBe('subject-1');
    forging.sign = null;
    await expect(world.logIn()).rejects.toEqual(withCode('login_rejected'));
  });

  test('are good without key ids too', async () => {
    const { keys } = world.forging;
    await rotate(undefined);
    world.forging.keys = [...keys.map(({ kid: _kid, ...key }) => key), ...world.forging.keys];
    expect((await world.logIn()).subject).toBe('subject-1');
  });

  test('are found where the provider has moved them', async () => {
    await world.logIn();
    world.forging.metadata = { jwks_uri: `${world.forging.issuer}/moved` };
    world.forging.answer = (path, response) => {
      if (path === '/jwks') response.writeHead(404).end();
      if (path === '/moved') response.end(JSON.stringify({ keys: world.forging.keys }));
      return path === '/jwks' || path === '/moved';
    };
    expect((await world.logIn()).subject).toBe('subject-1');
  });
});

describe('[abuse 75] while the provider’s keys are away', () => {
  test('those we have are good for an hour; then nobody new logs in, and it recovers by itself', async () => {
    await world.logIn();
    noKeys();
    world.advance(59 * 60);
    const claims = () => {
      const now = unixNow() + 59 * 60;
      return { iat: now, exp: now + 60, auth_time: now };
    };
    expect((await world.logIn({})).subject).toBe('subject-1');
    world.advance(2 * 60);
    const refusal = world.logIn({ ...claims() });
    await expect(refusal).rejects.toEqual(withCode('login_provider_error'));
    // A session's renewal finds an outage, for which it has its grace, and no refusal.
    const renewal = world.provider.refresh('a refresh token', { subject: 'subject-1', keep: async () => {} });
    await expect(renewal).rejects.toEqual(withCode('login_provider_error'));
    world.forging.answer = null;
    expect((await world.logIn({})).subject).toBe('subject-1');
  });

  test.each([
    ['an error page', '<html>sorry</html>', 503],
    ['no list', '{"keys":"none"}', 200],
    ['nothing', '', 200],
    ['a list without end', JSON.stringify({ keys: Array.from({ length: 101 }, () => ({})) }), 200],
  ])('an answer that is %s does not replace them', async (_what, text, status) => {
    await world.logIn();
    world.forging.answer = (path, response) => {
      if (path === '/jwks') response.writeHead(status).end(text);
      return path === '/jwks';
    };
    world.advance(30 * 60);
    expect((await world.logIn({})).subject).toBe('subject-1');
  });

  test('without any at hand a login is an outage, not a refusal', async () => {
    noKeys();
    await expect(world.logIn()).rejects.toEqual(withCode('login_provider_error'));
  });
});

describe('what the provider sends by another way', () => {
  const claims = (change: Record<string, unknown> = {}): JWTPayload => {
    const now = unixNow();
    return { iss: world.forging.issuer, aud: 'sallyport', iat: now, exp: now + 60, jti: 'x', ...change };
  };
  const expected = { maxAgeSeconds: 300 };
  const verify = async (change: Record<string, unknown> = {}, typ?: readonly string[]) =>
    await world.provider.verifyToken(await world.forging.honestSign(claims(change)), {
      ...expected,
      ...(typ === undefined ? {} : { typ }),
    });

  test('is believed if it is signed, from it, for us and of now', async () => {
    expect(await verify()).toMatchObject({ jti: 'x' });
    expect(await verify({ aud: ['other', 'sallyport'] })).toMatchObject({ jti: 'x' });
    expect(await verify({}, ['', 'logout+jwt'])).toMatchObject({ jti: 'x' });
  });

  test.each([
    ['of another issuer', { iss: 'https://other.example.com' }],
    ['for another client', { aud: 'other' }],
    ['without audience', { aud: undefined }],
    ['too old', { iat: unixNow() - 400 }],
    ['from the future', { iat: unixNow() + 400 }],
    ['without issue time', { iat: undefined }],
    ['expired', { exp: unixNow() - 100 }],
    ['not valid yet', { nbf: unixNow() + 100 }],
  ])('is refused if it is %s', async (_what, change) => {
    await expect(verify(change)).rejects.toEqual(withCode('token_invalid'));
  });

  test('is refused with another type, another key, no signature, or as no token', async () => {
    await expect(verify({}, ['logout+jwt'])).rejects.toEqual(withCode('token_invalid'));
    const { privateKey } = await generateKeyPair('ES256');
    const forged = await new SignJWT(claims()).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const unsigned = `${part({ alg: 'none' })}.${part(claims())}.`;
    for (const jwt of [forged, unsigned, 'no token', '', 'a.b.c', '{}']) {
      await expect(world.provider.verifyToken(jwt, expected)).rejects.toEqual(withCode('token_invalid'));
      await expect(world.provider.verifyToken(jwt, { ...expected, typ: [''] })).rejects.toEqual(
        withCode('token_invalid'),
      );
    }
  });
});
