import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clientId, type ForgingWorld, openForgingWorld, unixNow, withCode } from './forging-world.ts';

let world: ForgingWorld;
beforeAll(async () => {
  world = await openForgingWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

const refused = async (claims: Record<string, unknown> = {}) =>
  await expect(world.logIn(claims)).rejects.toEqual(withCode('login_rejected'));
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('[abuse 49] an unsigned ID token', () => {
  test.each(['none', 'None', 'NONE', 'nOnE'])('with alg %s is refused', async (alg) => {
    for (const signature of ['', 'AAAA']) {
      world.forging.sign = (claims) => `${part({ alg })}.${part(claims)}.${signature}`;
      await refused();
    }
  });

  test('is refused although the provider announces that it sends such', async () => {
    world.forging.metadata = { id_token_signing_alg_values_supported: ['none', 'ES256'] };
    world.forging.sign = (claims) => `${part({ alg: 'none' })}.${part(claims)}.`;
    await refused();
  });

  test('with an honest header and no signature is refused', async () => {
    world.forging.sign = async (claims) => (await world.forging.honestSign(claims)).replace(/\.[^.]*$/, '.');
    await refused();
  });
});

describe('[abuse 50] an ID token signed with the public key as a shared secret', () => {
  const secrets = async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'rsa', alg: 'RS256', use: 'sig' };
    world.forging.keys.push(jwk);
    const { exportSPKI } = await import('jose');
    return {
      privateKey,
      forms: [JSON.stringify({ keys: world.forging.keys }), JSON.stringify(jwk), await exportSPKI(publicKey)],
    };
  };

  test.each(['HS256', 'HS384', 'HS512'])('by %s is refused, announced or not', async (alg) => {
    for (const announced of [['RS256', 'ES256'], ['RS256', 'ES256', alg], [alg]]) {
      world.reset();
      world.forging.metadata = { id_token_signing_alg_values_supported: announced };
      const { forms } = await secrets();
      for (const form of forms) {
        world.forging.sign = (claims: JWTPayload) =>
          new SignJWT(claims).setProtectedHeader({ alg, kid: 'rsa' }).sign(Buffer.from(form));
        await refused();
      }
    }
  });

  test('is refused where the provider’s own list holds a shared secret', async () => {
    const secret = Buffer.from('0123456789abcdef0123456789abcdef');
    world.forging.metadata = { id_token_signing_alg_values_supported: ['HS256', 'ES256'] };
    world.forging.keys.push({ kty: 'oct', k: secret.toString('base64url'), kid: 'shared', alg: 'HS256' });
    world.forging.sign = (claims: JWTPayload) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'shared' }).sign(secret);
    await refused();
  });

  test('and one signed with that RSA key is accepted', async () => {
    world.forging.metadata = { id_token_signing_alg_values_supported: ['RS256', 'ES256'] };
    const { privateKey } = await secrets();
    world.forging.sign = (claims: JWTPayload) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'rsa' }).sign(privateKey);
    expect((await world.logIn()).subject).toBe('subject-1');
  });
});

test('[abuse 51] an ID token that brings its own key, or says where to find it, is refused and nobody looks there', async () => {
  const own = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(own.publicKey)), kid: 'own', use: 'sig' };
  const elsewhere = `${world.forging.issuer}/elsewhere`;
  for (const header of [
    { jwk },
    { jku: elsewhere },
    { x5u: elsewhere },
    { jku: elsewhere, kid: 'own' },
    { jwk, kid: 'own' },
    { x5c: ['MIIB'] },
    { jku: elsewhere, crit: ['jku'] },
  ]) {
    world.forging.sign = (claims: JWTPayload) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid: 'honest', ...header })
        .sign(own.privateKey, { crit: { jku: true } });
    await refused();
  }
  expect(world.forging.requests).toContain('/jwks');
  expect(world.forging.requests).not.toContain('/elsewhere');
});

describe('[abuse 53] an ID token whose issuer', () => {
  test.each([
    ['has a slash more', () => `${world.forging.issuer}/`],
    ['is in upper case', () => world.forging.issuer.toUpperCase()],
    ['is a sibling', () => world.forging.issuer.replace(/:\d+$/, ':1')],
    ['is a path below', () => `${world.forging.issuer}/tenant`],
    ['is in a list', () => [world.forging.issuer]],
    ['is missing', () => undefined],
  ])('%s is refused', async (_what, iss) => {
    await refused({ iss: iss() });
  });

  test.each([
    ['a slash more', () => `${world.forging.issuer}/`],
    ['upper case', () => world.forging.issuer.toUpperCase()],
    ['a sibling', () => world.forging.issuer.replace(/:\d+$/, ':1')],
  ])('is a provider that calls itself so, with %s: it is not used at all', async (_what, issuer) => {
    world.forging.metadata = { issuer: issuer() };
    await expect(world.start()).rejects.toEqual(withCode('login_provider_error'));
  });
});

describe('[abuse 54] an ID token', () => {
  test.each([
    ['for another client', { aud: 'other' }],
    ['for us in other letters', { aud: clientId.toUpperCase() }],
    ['for us and another without azp', { aud: [clientId, 'other'] }],
    ['for us and another with its azp', { aud: [clientId, 'other'], azp: 'other' }],
    ['for us with the azp of another', { aud: clientId, azp: 'other' }],
    ['without audience', { aud: undefined }],
    ['for nobody', { aud: [] }],
  ])('%s is refused', async (_what, claims) => {
    await refused(claims);
  });

  test('for us and another with our azp is accepted', async () => {
    expect((await world.logIn({ aud: ['other', clientId], azp: clientId })).subject).toBe('subject-1');
  });
});

describe('[abuse 55] an ID token', () => {
  test.each([
    ['expired', () => ({ exp: unixNow() - 120 })],
    ['without end', () => ({ exp: undefined })],
    ['without issue time', () => ({ iat: undefined })],
    ['without subject', () => ({ sub: undefined })],
    ['with an empty subject', () => ({ sub: '' })],
    ['from the future', () => ({ iat: unixNow() + 600 })],
    ['not valid yet', () => ({ nbf: unixNow() + 600 })],
    ['with its end as text', () => ({ exp: '9999999999' })],
    ['with its issue time as text', () => ({ iat: String(unixNow()) })],
    ['with a subject that is a number', () => ({ sub: 7 })],
  ])('%s is refused', async (_what, claims) => {
    await refused(claims());
  });

  test('of a clock half a minute off is accepted, either way', async () => {
    for (const off of [-30, 30]) {
      const now = unixNow() + off;
      expect((await world.logIn({ iat: now, auth_time: now, exp: now + 20 })).subject).toBe('subject-1');
    }
  });
});

describe('[abuse 56] an ID token', () => {
  test.each([
    ['without nonce', undefined],
    ['with another nonce', 'x'],
    ['with an empty nonce', ''],
    ['with its nonce in a list', ['x']],
  ])('%s is refused', async (_what, nonce) => {
    await refused({ nonce });
  });

  test('with the nonce of an earlier login is refused, whether that one was finished or not', async () => {
    const { url } = await world.start();
    await refused({ nonce: url.searchParams.get('nonce') });
    await world.logIn();
    await refused({ nonce: world.forging.nonce });
  });
});

test('an ID token with a changed byte is refused', async () => {
  world.forging.sign = async (claims) => {
    const [header, , signature] = (await world.forging.honestSign(claims)).split('.');
    return `${header}.${part({ ...claims, sub: 'somebody' })}.${signature}`;
  };
  await refused();
});

describe('auth_time', () => {
  test.each([
    ['missing', () => undefined],
    ['as text', () => String(unixNow())],
    ['in the future', () => unixNow() + 600],
    ['older than max_age', () => unixNow() - 13 * 3600],
  ])('%s is refused where max_age was sent', async (_what, authTime) => {
    await refused({ auth_time: authTime() });
  });

  test('is not asked of a provider that does not know it; a second factor of unknown age is none then', async () => {
    world.reset({ maxAge: false });
    const { url } = await world.start();
    expect(url.searchParams.get('max_age')).toBeNull();
    const result = await world.logIn({ auth_time: undefined, amr: ['mfa'] });
    expect(result).toMatchObject({ mfa: false, mfaMethods: [], amr: ['mfa'] });
    const said = await world.logIn({ auth_time: unixNow() - 60, amr: ['mfa'] });
    expect(said).toMatchObject({ mfa: true, mfaMethods: ['mfa'] });
  });
});
