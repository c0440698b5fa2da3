import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type CompanionState, hopSectionMark, krlMessage } from '../../src/api/companions.ts';
import { isSallyportError, type SallyportError } from '../../src/errors/sallyport-error.ts';
import { type CheckedState, checkState } from '../../src/gateway/check-state.ts';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig } from '../../src/ssh/sshsig.ts';
import { domain, TestAuthority } from './test-authority.ts';

const ca = new TestAuthority();
const hostKey = generateEd25519();
const companionId = randomUUID();
const [first, second, third, hop] = [1, 2, 3, 4].map(() => generateEd25519()) as [
  GeneratedKey,
  GeneratedKey,
  GeneratedKey,
  GeneratedKey,
];

/** As an enrolment pins it: with a comment. */
const pin = (key: GeneratedKey) => publicKeyLine({ blob: key.publicKeyBlob, comment: 'sallyport user CA' });
const line = (key: GeneratedKey) => publicKeyLine({ blob: key.publicKeyBlob });

interface Offer {
  readonly kind?: 'gateway' | 'host';
  readonly user: readonly GeneratedKey[];
  readonly hop?: readonly GeneratedKey[];
  /** Has a section in the list. Default: all that are named. */
  readonly listed?: readonly GeneratedKey[];
  readonly compromised?: readonly GeneratedKey[];
  readonly signedBy: readonly GeneratedKey[];
  /** What the companion remembers. */
  readonly pinned: readonly GeneratedKey[];
  readonly known?: readonly string[];
}

/** What a companion makes of a state. */
async function offer({ kind = 'gateway', user, hop: hops, pinned, ...more }: Offer): Promise<CheckedState> {
  const { listed = [...user, ...(hops ?? [])], compromised = [], signedBy, known = [] } = more;
  const data = encodeKrl({
    version: 7n,
    generatedAt: 0n,
    comment: '',
    sections: [
      ...listed.map((key) => ({
        kind: 'certificates' as const,
        caPublicKey: key.publicKeyBlob,
        serials: [1n],
        keyIds: key === hop ? [hopSectionMark] : [],
      })),
      ...(compromised.length > 0
        ? [{ kind: 'keys' as const, blobs: compromised.map(({ publicKeyBlob }) => publicKeyBlob) }]
        : []),
    ],
  });
  const [signature = '', ...signatures] = await Promise.all(
    signedBy.map(({ publicKeyBlob, privateKey }) =>
      signSshsig({
        message: krlMessage('7', data),
        namespace: `krl@${domain}`,
        publicKeyBlob,
        sign: (bytes) => signWithKey(privateKey, bytes),
      }),
    ),
  );
  const authority = (key: GeneratedKey) => ({ public_key: pin(key), canary: ca.canary(key).line });
  const state: CompanionState = {
    format: 1,
    version: '7',
    companion: { id: companionId, name: 'bastion', kind, gateway_login: null },
    generated_at: 0,
    user_authorities: user.map(authority),
    ...(hops && { hop_authorities: hops.map(authority) }),
    krl: { version: '7', data: data.toString('base64'), signature, signatures },
    host_certificate: ca.hostCertificate(hostKey.publicKeyBlob),
    targets: [],
    accounts: [],
    access_rules: [],
    services: [],
    host_authorities: [],
    registered_keys: [],
    leases: [],
    ended_sessions: [],
    public_url: 'https://ssh.example.com',
  };
  return checkState(state, {
    companionId,
    domain,
    pinned: pinned.map(pin),
    compromised: known,
    versions: { state: 1n, krl: 1n },
    hostPublicKey: line(hostKey),
  });
}

async function refused(given: Offer): Promise<SallyportError> {
  const error = await offer(given).catch((caught: unknown) => caught);
  if (isSallyportError(error)) return error;
  throw error instanceof Error ? error : new Error('nothing was refused');
}

describe('a rotation at a companion', () => {
  test('the next key becomes known by a list that the old one signed, and vouches from then on', async () => {
    const learned = await offer({ user: [first, second], signedBy: [first], pinned: [first] });
    expect(learned.authorityLines).toEqual([line(first), line(second)]);
    const onlyNew = await offer({ user: [second], signedBy: [second], pinned: [first, second] });
    expect(onlyNew.authorityLines).toEqual([line(second)]);
  });

  test('a companion that was away accepts a list that the old key has signed beside the new one', async () => {
    const learned = await offer({ user: [first, second], signedBy: [second, first], pinned: [first] });
    expect(learned.authorityLines).toEqual([line(first), line(second)]);
  });

  test('a list by keys that are not known is refused, and says what helps', async () => {
    const error = await refused({ user: [second], signedBy: [second, third], pinned: [first] });
    expect(error).toMatchObject({ code: 'signature_invalid' });
    expect(error.message).toContain('enrol it again');
  });

  test('a key without a section of its own in the list is refused', async () => {
    const error = await refused({
      user: [first, second],
      listed: [first],
      signedBy: [first],
      pinned: [first],
    });
    expect(error.message).toContain('does not revoke the canary');
  });
});

describe('a compromised key', () => {
  test('says itself that it is over, where the companion knows no other; then it is over for ever', async () => {
    const over = await offer({
      user: [second],
      compromised: [first],
      signedBy: [second, first],
      pinned: [first],
    });
    expect(over.authorityLines).toEqual([line(second)]);
    expect(over.compromisedLines).toEqual([line(first)]);

    // Even by a list that forgot it, and that a good key has signed.
    const again = { user: [first, second], signedBy: [second, first], pinned: [second] };
    expect(await refused({ ...again, known: over.compromisedLines })).toMatchObject({
      code: 'install_failed',
      message: expect.stringContaining('known to be compromised'),
    });
    const pinnedAgain = { user: [second], signedBy: [first], pinned: [first, second] };
    expect(await refused({ ...pinnedAgain, known: over.compromisedLines })).toMatchObject({
      code: 'signature_invalid',
    });
  });

  test('signs nothing that counts where the companion knows a better one', async () => {
    const state = { user: [third], compromised: [first], pinned: [first, second] };
    expect(await refused({ ...state, signedBy: [first] })).toMatchObject({ code: 'signature_invalid' });
    const accepted = await offer({ ...state, signedBy: [first, second] });
    expect(accepted.authorityLines).toEqual([line(third)]);
  });

  test('is not trusted while the list names it', async () => {
    const error = await refused({
      user: [first, second],
      compromised: [first],
      signedBy: [second],
      pinned: [second],
    });
    expect(error.message).toContain('known to be compromised');
  });
});

describe('the hop CA', () => {
  test('is trusted by hosts, with its canary, and never vouches for a list', async () => {
    const state = { kind: 'host', user: [first], hop: [hop], pinned: [first] } as const;
    const checked = await offer({ ...state, signedBy: [first] });
    expect(checked.hopAuthorityLines).toEqual([line(hop)]);
    expect(checked.authorityLines).toEqual([line(first)]);
    expect(checked.authorities).toEqual([first.publicKeyBlob]);
    expect(checked.canaryLines).toHaveLength(2);
    expect(await refused({ ...state, signedBy: [hop] })).toMatchObject({ code: 'signature_invalid' });
    const unlisted = await refused({ ...state, listed: [first], signedBy: [first] });
    expect(unlisted.message).toContain('does not revoke the canary');
  });

  test('is never taken for a user CA, nor a user CA for it, whatever the feed says', async () => {
    const asUser = await refused({ user: [first, hop], signedBy: [first], pinned: [first] });
    expect(asUser.message).toContain('a hop CA among the user CAs');
    const asHop = await refused({
      kind: 'host',
      user: [first],
      hop: [second],
      signedBy: [first],
      pinned: [first],
    });
    expect(asHop.message).toContain('a user CA among the hop CAs');
  });

  test('is never trusted by gateways', async () => {
    const error = await refused({ user: [first], hop: [hop], signedBy: [first], pinned: [first] });
    expect(error.message).toContain('gateways never trust');
  });
});
