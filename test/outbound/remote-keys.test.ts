import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { createRemoteKeys } from '../../src/outbound/remote-keys.ts';

const url = 'https://login.example/jwks';
const secret = Buffer.from('0123456789abcdef0123456789abcdef');
const invalid = expect.objectContaining({ code: 'token_invalid' });

/** Keys of an issuer that publishes these. */
function keysOf(keys: readonly Record<string, unknown>[]) {
  return createRemoteKeys({
    url: async () => url,
    fetch: async () => new Response(JSON.stringify({ keys })),
    clock: () => new Date(),
  });
}
async function pair(alg: string, more: Record<string, unknown> = {}) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), ...more } };
}
const signed = async (alg: string, key: Parameters<SignJWT['sign']>[0], header: object = {}) =>
  await new SignJWT({ sub: 'x' }).setProtectedHeader({ alg, ...header }).sign(key);

test('a token is good if one of the keys has signed it with an algorithm that was named', async () => {
  const { privateKey, jwk } = await pair('ES256', { kid: 'a' });
  const keys = keysOf([jwk]);
  const jwt = await signed('ES256', privateKey, { kid: 'a' });
  expect((await keys.verify(jwt, ['ES256'])).claims).toEqual({ sub: 'x' });
  await expect(keys.verify(jwt, ['RS256'])).rejects.toEqual(invalid);
  await expect(keys.verify(jwt, [])).rejects.toEqual(invalid);
});

test('no shared secret is a key, whoever names its algorithm and wherever it is published', async () => {
  const keys = keysOf([{ kty: 'oct', k: secret.toString('base64url'), kid: 's', alg: 'HS256' }]);
  for (const header of [{ kid: 's' }, {}]) {
    await expect(keys.verify(await signed('HS256', secret, header), ['HS256', 'ES256'])).rejects.toEqual(
      invalid,
    );
  }
});

test('a key for encryption, or for another algorithm, signs nothing', async () => {
  const encryption = await pair('ES256', { kid: 'a', use: 'enc' });
  const other = await pair('RS256', { kid: 'b', alg: 'RS512' });
  const keys = keysOf([encryption.jwk, other.jwk]);
  const all = ['ES256', 'RS256', 'RS512'];
  await expect(keys.verify(await signed('ES256', encryption.privateKey, { kid: 'a' }), all)).rejects.toEqual(
    invalid,
  );
  await expect(keys.verify(await signed('RS256', other.privateKey, { kid: 'b' }), all)).rejects.toEqual(
    invalid,
  );
});

test('what is signed but holds no claims is refused', async () => {
  const { privateKey, jwk } = await pair('ES256');
  const { CompactSign } = await import('jose');
  for (const text of ['[]', 'null', '"x"', 'no JSON', '\ufffd']) {
    const jwt = await new CompactSign(Buffer.from(text))
      .setProtectedHeader({ alg: 'ES256' })
      .sign(privateKey);
    await expect(keysOf([jwk]).verify(jwt, ['ES256'])).rejects.toEqual(invalid);
  }
});
