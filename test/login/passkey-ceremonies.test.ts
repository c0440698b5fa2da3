import { describe, expect, test } from 'vitest';
import {
  assertionOptions,
  enrolmentOptions,
  methodsOf,
  verifyAssertion,
  verifyEnrolment,
} from '../../src/login/passkey-ceremonies.ts';
import { newChallenge } from '../../src/login/passkey-challenge.ts';
import type { Passkey } from '../../src/login/passkey-store.ts';
import { type Lie, type SoftwareAuthenticator, softwareAuthenticator } from './software-authenticator.ts';

const publicUrl = new URL('https://ssh.example.com');
const account = { id: '0b0f3c1e-55b0-4b0a-9d7b-2f3a54f0c001', name: 'bob@example.com' };

async function enrolled(authenticator: SoftwareAuthenticator): Promise<Passkey> {
  const challenge = newChallenge();
  const made = await verifyEnrolment(authenticator.enrol(challenge), { publicUrl, challenge, models: null });
  return {
    ...made,
    id: account.id,
    accountId: account.id,
    name: 'Passkey',
    createdAt: new Date(),
    lastUsedAt: null,
  };
}

describe('what the browser is asked for', () => {
  test('a credential of this very host that verifies its person, and none that is there already', async () => {
    const challenge = newChallenge();
    const passkeys = [await enrolled(softwareAuthenticator(publicUrl))];
    const asked = { publicUrl, challenge, account, passkeys, models: null };
    const credential = { id: passkeys[0]?.credentialId.toString('base64url') };
    expect(await enrolmentOptions(asked)).toMatchObject({
      challenge,
      rp: { id: 'ssh.example.com' },
      user: { name: account.name },
      attestation: 'none',
      excludeCredentials: [credential],
      authenticatorSelection: { userVerification: 'required' },
    });
    expect(await assertionOptions(asked)).toMatchObject({
      challenge,
      rpId: 'ssh.example.com',
      allowCredentials: [credential],
      userVerification: 'required',
    });
  });

  test('a statement about itself only where models are named', async () => {
    const asked = { publicUrl, challenge: newChallenge(), account, passkeys: [], models: [account.id] };
    expect(await enrolmentOptions(asked)).toMatchObject({ attestation: 'direct' });
  });
});

const lies: [string, Lie][] = [
  ['another challenge', { challenge: newChallenge() }],
  ['an empty challenge', { challenge: '' }],
  ['another origin', { origin: 'https://ssh.example.com.evil.example' }],
  ['the same host without encryption', { origin: 'http://ssh.example.com' }],
  ['another relying party', { rpId: 'example.com' }],
  ['the other ceremony', { type: 'webauthn.other' }],
  ['a person who was not verified', { userVerified: false }],
  ['nobody there', { userPresent: false }],
];

describe('an enrolment', () => {
  test('tells the key, the counter and what the authenticator says that it is', async () => {
    const authenticator = softwareAuthenticator(publicUrl);
    expect(await enrolled(authenticator)).toMatchObject({
      credentialId: authenticator.credentialId,
      counter: 1,
      transports: ['internal'],
      model: authenticator.model,
      backedUp: false,
    });
  });

  test.each(lies)('with %s is refused', async (_what, lie) => {
    const challenge = newChallenge();
    const answer = softwareAuthenticator(publicUrl).enrol(challenge, lie);
    await expect(verifyEnrolment(answer, { publicUrl, challenge, models: null })).rejects.toMatchObject({
      code: 'passkey_refused',
    });
  });

  test.each(['', '{}', 'null', '{"id":"x"}', '{"id":"eA","rawId":"eA","type":"public-key","response":{}}'])(
    'of %j is refused',
    async (answer) => {
      const asked = { publicUrl, challenge: newChallenge(), models: null };
      await expect(verifyEnrolment(answer, asked)).rejects.toMatchObject({ code: 'passkey_refused' });
    },
  );

  test('where models are named must say which it is, be one of them, and not contradict itself', async () => {
    const challenge = newChallenge();
    const authenticator = softwareAuthenticator(publicUrl);
    const { model } = authenticator;
    const enrol = (models: string[], lie: Lie) =>
      verifyEnrolment(authenticator.enrol(challenge, lie), { publicUrl, challenge, models });
    expect(await enrol([model], { format: 'packed' })).toMatchObject({ model });
    await expect(enrol([model], { format: 'none' })).rejects.toThrow('does not say which it is');
    await expect(enrol([account.id], { format: 'packed' })).rejects.toThrow('does not take this model');
    const signature = Buffer.alloc(70, 1);
    await expect(enrol([model], { format: 'packed', signature })).rejects.toMatchObject({
      code: 'passkey_refused',
    });
  });
});

describe('an assertion', () => {
  test('tells which passkey it is and its counter', async () => {
    const authenticator = softwareAuthenticator(publicUrl);
    const passkey = await enrolled(authenticator);
    const challenge = newChallenge();
    const other = await enrolled(softwareAuthenticator(publicUrl));
    const asked = { publicUrl, challenge, passkeys: [other, passkey] };
    expect(await verifyAssertion(authenticator.assert(challenge), asked)).toEqual({ passkey, counter: 2 });
  });

  test.each([
    ...lies,
    ['a signature of something else', { signature: Buffer.alloc(70, 1) }] as [string, Lie],
  ])('with %s is refused', async (_what, lie) => {
    const authenticator = softwareAuthenticator(publicUrl);
    const asked = { publicUrl, challenge: newChallenge(), passkeys: [await enrolled(authenticator)] };
    const answer = authenticator.assert(asked.challenge, lie);
    await expect(verifyAssertion(answer, asked)).rejects.toMatchObject({ code: 'passkey_refused' });
  });

  test('by another person’s passkey is refused, also under the name of one’s own', async () => {
    const mine = await enrolled(softwareAuthenticator(publicUrl));
    const theirs = softwareAuthenticator(publicUrl);
    await enrolled(theirs);
    const challenge = newChallenge();
    const asked = { publicUrl, challenge, passkeys: [mine] };
    await expect(verifyAssertion(theirs.assert(challenge), asked)).rejects.toThrow('none of yours');
    const { credentialId } = mine;
    await expect(verifyAssertion(theirs.assert(challenge, { credentialId }), asked)).rejects.toMatchObject({
      code: 'passkey_refused',
    });
  });
});

test('one that is copied between devices is software (RFC 8176)', () => {
  expect([methodsOf({ backedUp: false })[0], methodsOf({ backedUp: true })[0]]).toEqual(['hwk', 'swk']);
});
