import { describe, expect, test } from 'vitest';
import {
  decideSecondFactor,
  enrolWithinSeconds,
  mfaMaxAge,
  type SecondFactorFacts,
} from '../../src/login/decide-second-factor.ts';

const nowSeconds = 1_800_000_000;

/** An organization that requires a second factor; a provider that gave none and can't be asked. */
const facts: SecondFactorFacts = {
  policy: {
    mfaRequired: true,
    mfaSources: ['provider', 'passkey'],
    mfaMethods: null,
    mfaMaxAgeSeconds: null,
  },
  demand: { mfa: false, maxAgeSeconds: null, methods: null },
  provider: {
    mfa: false,
    methods: [],
    authTimeSeconds: nowSeconds - 10,
    canStepUp: false,
    wasAskedAgain: false,
  },
  passkeys: { usable: 0, enrolled: 0 },
  knownAtProvider: false,
  nowSeconds,
};

interface Change {
  readonly policy?: Partial<SecondFactorFacts['policy']>;
  readonly demand?: Partial<SecondFactorFacts['demand']>;
  readonly provider?: Partial<SecondFactorFacts['provider']>;
  readonly passkeys?: SecondFactorFacts['passkeys'];
  readonly knownAtProvider?: boolean;
}

function decide({ policy, demand, provider, passkeys = facts.passkeys, knownAtProvider = false }: Change) {
  return decideSecondFactor({
    ...facts,
    knownAtProvider,
    policy: { ...facts.policy, ...policy },
    demand: { ...facts.demand, ...demand },
    provider: { ...facts.provider, ...provider },
    passkeys,
  });
}

const some = { usable: 1, enrolled: 1 };
const proves = { mfa: true, methods: ['pwd', 'otp'] };
const off = { mfaRequired: false };

describe('what a login still needs', () => {
  test.each<[string, Change, ReturnType<typeof decide>]>([
    ['nothing is asked for', { policy: off }, { next: 'done', by: null }],
    [
      'nothing is asked for and the provider vouches all the same',
      { policy: off, provider: proves },
      { next: 'done', by: 'provider' },
    ],
    ['the provider proves it', { provider: proves }, { next: 'done', by: 'provider' }],
    [
      'the demand alone asks',
      { policy: off, demand: { mfa: true }, passkeys: some },
      { next: 'assert', after: 'finish' },
    ],
    [
      'the provider can be asked',
      { provider: { canStepUp: true }, passkeys: some },
      { next: 'provider', stepUp: true },
    ],
    [
      'the provider was asked twice',
      { provider: { canStepUp: true, wasAskedAgain: true }, passkeys: some },
      { next: 'assert', after: 'finish' },
    ],
    ['there is a passkey', { passkeys: some }, { next: 'assert', after: 'finish' }],
    ['there is none, after a new login', {}, { next: 'enrol' }],
    [
      'there is none, and the second factor at the provider was left out',
      { knownAtProvider: true, provider: { canStepUp: true, wasAskedAgain: true } },
      { next: 'refused', reason: 'left_out' },
    ],
    [
      'the second factor at the provider was left out, and a passkey is shown instead',
      { knownAtProvider: true, provider: { canStepUp: true, wasAskedAgain: true }, passkeys: some },
      { next: 'assert', after: 'finish' },
    ],
    [
      'the provider is not believed any more',
      {
        knownAtProvider: true,
        provider: { canStepUp: true, wasAskedAgain: true },
        policy: { mfaSources: ['passkey'] },
      },
      { next: 'enrol' },
    ],
    [
      'the provider can’t be asked any more',
      { knownAtProvider: true, provider: { wasAskedAgain: true } },
      { next: 'enrol' },
    ],
    [
      'there is none, after an old login',
      { provider: { authTimeSeconds: nowSeconds - enrolWithinSeconds - 1 } },
      { next: 'provider', stepUp: false },
    ],
    [
      'there is none, and not even a second login was new',
      { provider: { authTimeSeconds: nowSeconds - enrolWithinSeconds - 1, wasAskedAgain: true } },
      { next: 'refused', reason: 'too_old' },
    ],
    [
      'the only passkey is of a model that is not taken any more: it is shown before another is added',
      { passkeys: { usable: 0, enrolled: 1 } },
      { next: 'assert', after: 'enrol' },
    ],
    [
      'passkeys are not taken',
      { policy: { mfaSources: ['provider'] }, passkeys: some },
      { next: 'refused', reason: 'no_source' },
    ],
    [
      'the provider is not believed, whatever it says',
      { policy: { mfaSources: ['passkey'] }, provider: { ...proves, canStepUp: true }, passkeys: some },
      { next: 'assert', after: 'finish' },
    ],
    [
      'the provider proves another method than is wanted, and may do better',
      { policy: { mfaMethods: ['hwk'] }, provider: proves },
      { next: 'provider', stepUp: true },
    ],
    [
      'no passkey has the method that is wanted',
      { policy: { mfaMethods: ['fpt'] }, passkeys: some },
      { next: 'refused', reason: 'no_method' },
    ],
    [
      'no passkey has the method that is demanded',
      { demand: { methods: ['otp'] }, passkeys: some },
      { next: 'refused', reason: 'no_method' },
    ],
    [
      'the second factor is too old for the organization',
      { policy: { mfaMaxAgeSeconds: 900 }, provider: { ...proves, authTimeSeconds: nowSeconds - 901 } },
      { next: 'provider', stepUp: true },
    ],
    [
      'the second factor is as old as it may be',
      { policy: { mfaMaxAgeSeconds: 900 }, provider: { ...proves, authTimeSeconds: nowSeconds - 900 } },
      { next: 'done', by: 'provider' },
    ],
    [
      'the second factor is too old for who asks, and the provider was asked twice',
      {
        demand: { mfa: true, maxAgeSeconds: 60 },
        provider: { ...proves, authTimeSeconds: nowSeconds - 61, wasAskedAgain: true },
        passkeys: some,
      },
      { next: 'assert', after: 'finish' },
    ],
  ])('%s', (_what, change, expected) => {
    expect(decide(change)).toEqual(expected);
  });

  test('the two never add up: half a factor from each is none', () => {
    const half = decide({
      policy: { mfaMethods: ['hwk'], mfaSources: ['provider'] },
      provider: { ...proves, wasAskedAgain: true },
      passkeys: some,
    });
    expect(half).toEqual({ next: 'refused', reason: 'no_source' });
  });

  test('the shorter of two ages holds', () => {
    const age = (policy: number | null, demand: number | null) =>
      mfaMaxAge({
        policy: { ...facts.policy, mfaMaxAgeSeconds: policy },
        demand: { ...facts.demand, maxAgeSeconds: demand },
      });
    expect([age(null, null), age(900, null), age(null, 60), age(900, 60), age(900, 0)]).toEqual([
      null,
      900,
      60,
      60,
      0,
    ]);
  });
});
