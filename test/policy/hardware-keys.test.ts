import { describe, expect, test } from 'vitest';
import { decideCertificate } from '../../src/policy/decide-certificate.ts';
import { decideRegisteredKey } from '../../src/policy/decide-registered-key.ts';
import { decideSshCode } from '../../src/policy/decide-ssh-code.ts';
import type { HardwareFacts, KeyFacts } from '../../src/policy/facts.ts';
import { acceptedKey } from '../../src/policy/hardware-keys.ts';
import { helpfulCommand } from '../../src/policy/reasons.ts';
import { bob, example, loggedIn, nowSeconds, session } from './sample-facts.ts';

const model = 'ee882879-721c-4913-9775-3dfcce97072a';
const off: HardwareFacts = { keys: 'off', attestation: false, models: null };
const inFile: KeyFacts = { isSecurityKey: false, userVerified: false, attestedModel: null };
const touched: KeyFacts = { ...inFile, isSecurityKey: true };
const verified: KeyFacts = { ...touched, userVerified: true };
const attested: KeyFacts = { ...touched, attestedModel: model };

function facts(hardware: Partial<HardwareFacts>, key?: KeyFacts, as = session) {
  const organization = { ...example, hardware: { ...off, ...hardware } };
  return { account: bob, organization, session: as, ...(key && { key }) };
}

const decide = (...asked: Parameters<typeof facts>) => decideCertificate(facts(...asked), nowSeconds);
const codes = (...asked: Parameters<typeof facts>) => {
  const decision = decide(...asked);
  return decision.allowed ? [] : decision.reasons.map(({ code }) => code);
};

describe('the organization asks', () => {
  test.each([
    ['nothing', {}, inFile, []],
    ['for a security key', { keys: 'required' }, inFile, ['hardware_key_required']],
    ['for a security key', { keys: 'required' }, undefined, ['hardware_key_required']],
    ['for a security key', { keys: 'required' }, touched, []],
    ['for a PIN or a finger', { keys: 'verified' }, inFile, ['hardware_key_required']],
    ['for a PIN or a finger', { keys: 'verified' }, touched, ['hardware_key_unverified']],
    ['for a PIN or a finger', { keys: 'verified' }, verified, []],
    ['for the maker’s word', { keys: 'required', attestation: true }, touched, ['hardware_key_unattested']],
    ['for the maker’s word', { keys: 'required', attestation: true }, attested, []],
    ['for a model', { keys: 'required', attestation: true, models: [model] }, attested, []],
    [
      'for a model',
      { keys: 'required', attestation: true, models: ['other'] },
      attested,
      ['hardware_key_model'],
    ],
    ['for the maker’s word, of no key', { keys: 'off', attestation: true }, inFile, []],
  ] as const)('%s: %o of %o', (_, hardware, key, expected) => {
    expect(codes(hardware, key)).toEqual(expected);
  });

  test.each(['token', 'ci'] as const)(
    'of people alone: a machine in mode %s has nobody to touch a key',
    (mode) => {
      expect(codes({ keys: 'verified', attestation: true }, inFile, { ...session, mode })).toEqual([]);
    },
  );
});

test('a certificate asks sshd for a PIN or a finger at each use where the organization does', () => {
  expect(decide({ keys: 'verified' }, verified)).toMatchObject({ verifyRequired: true });
  expect(decide({ keys: 'required' }, verified)).toMatchObject({ verifyRequired: false });
  expect(decide({ keys: 'verified' }, inFile, { ...session, mode: 'token' })).toMatchObject({
    verifyRequired: false,
  });
});

test('the command brings the key, and the second factor too where that is wanting', () => {
  const decision = decide({ keys: 'required' }, inFile);
  expect(decision.allowed ? null : helpfulCommand(decision.reasons)).toBe('sally login --key sk');
  const { account, organization } = facts({ keys: 'required' });
  const both = decideCertificate(
    { account, organization: { ...organization, mfaRequired: true }, session: loggedIn({ mfa: false }) },
    nowSeconds,
  );
  expect(both.allowed ? null : helpfulCommand(both.reasons)).toBe('sally login --mfa --key sk');
});

test('what gets in without a certificate gets in without a security key, so there is none of it', () => {
  const code = decideSshCode({ ...facts({ keys: 'required' }), sshCodes: true }, nowSeconds);
  expect(code.allowed ? [] : code.reasons.map((one) => one.code)).toEqual(['ssh_codes_refused']);
  const key = decideRegisteredKey({ ...facts({ keys: 'required' }), registeredKeys: true }, nowSeconds);
  expect(key.allowed ? [] : key.reasons.map((one) => one.code)).toEqual(['registered_keys_refused']);
  expect(decideSshCode({ ...facts({}), sshCodes: true }, nowSeconds)).toMatchObject({ allowed: true });
});

test('a login that is only supposed has a key that the organization takes', () => {
  for (const models of [null, [model]]) {
    const asked = { keys: 'verified', attestation: true, models } as const;
    const { organization } = facts(asked);
    expect(codes(asked, acceptedKey(organization))).toEqual([]);
  }
});
