/** Keys in security keys: proven once in a login, attested once for good, and asked for where the organization wants them. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CertificateRequest, possessionMessage } from '../../src/api/certificates.ts';
import { keptKeyOf } from '../../src/ca/proven-keys.ts';
import { revokeUntrueCertificates } from '../../src/ca/revoke-untrue-certificates.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { revokeCompanion } from '../../src/inventory/revoke-companion.ts';
import { revokeCertificates } from '../../src/revocation/revoke-certificates.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { fingerprint, publicKeyLine } from '../../src/ssh/public-key.ts';
import { signSshsig } from '../../src/ssh/sshsig.ts';
import { WireWriter } from '../../src/ssh/wire.ts';
import { freshDatabase } from '../database/fresh-database.ts';
import { AttestingMaker } from '../ssh/attesting-maker.ts';
import {
  attestationDocument,
  flags,
  type MadeKey,
  SoftwareAuthenticator,
} from '../ssh/software-authenticator.ts';
import { hopInventory } from './hop-inventory.ts';
import { refusalCode, requestFor, type SampleAuthority, sampleAuthority } from './sample-authority.ts';

const application = 'ssh:sallyport';
const present = flags.userPresent;
const presentAndVerified = flags.userPresent | flags.userVerified;

let sample: SampleAuthority;
beforeAll(async () => {
  sample = await sampleAuthority(await freshDatabase());
});
afterAll(() => sample.database.close());
beforeEach(() => ask({}));

function ask(policy: {
  hardware_keys?: 'off' | 'required' | 'verified';
  hardware_attestation?: 'off' | 'required';
  hardware_models?: string[] | null;
  hardware_authorities?: string[];
}): Promise<unknown> {
  const nothing = {
    hardware_keys: 'off',
    hardware_attestation: 'off',
    hardware_models: null,
  } as const;
  return sample.database.db
    .updateTable('organizations')
    .set({ ...nothing, hardware_authorities: [], ...policy })
    .execute();
}

let people = 0;
const somebody = () => {
  people += 1;
  return sample.person(`keys${people}`);
};

interface HeldKey {
  readonly authenticator: SoftwareAuthenticator;
  readonly key: MadeKey;
}

function made(challenge = 'of nobody', authenticator = new SoftwareAuthenticator()): HeldKey {
  const key = authenticator.make({ ed25519: true, challenge, application, flags: present });
  if (key === undefined) throw new Error('no key was made');
  return { authenticator, key };
}

/** A request that proves the key by a touch. */
async function proving(
  sessionId: string,
  { authenticator, key }: HeldKey,
  { asked = present, keep = true, challenge }: { asked?: number; keep?: boolean; challenge?: string } = {},
): Promise<CertificateRequest> {
  const fresh = challenge ?? (await sample.authority.createChallenge(sessionId)).challenge;
  const signature = await signSshsig({
    message: possessionMessage(sessionId, fresh),
    namespace: 'pop@ca.example.com',
    publicKeyBlob: key.blob,
    sign: (data) => signed(authenticator, key, data, asked),
  });
  return {
    public_key: publicKeyLine({ blob: key.blob }),
    request_id: randomUUID(),
    possession: { challenge: fresh, signature, ...(keep && { keep }) },
  };
}

function signed(
  authenticator: SoftwareAuthenticator,
  { handle }: MadeKey,
  data: Buffer,
  asked: number,
): Buffer {
  const made = authenticator.sign({ handle, data, application, flags: asked });
  if (made === undefined) throw new Error('the authenticator does not know the key');
  return new WireWriter()
    .string('sk-ssh-ed25519@openssh.com')
    .string(made.signature)
    .u8(made.flags)
    .u32(made.counter)
    .bytes();
}

const again = ({ key }: HeldKey): CertificateRequest => ({
  public_key: publicKeyLine({ blob: key.blob }),
  request_id: randomUUID(),
});

const issue = (sessionId: string, request: CertificateRequest) =>
  sample.authority.issueUserCertificate({ sessionId, request });
const code = (sessionId: string, request: CertificateRequest) => refusalCode(issue(sessionId, request));

describe('a proof', () => {
  test('that is kept counts for the rest of the login: the next certificate takes no touch', async () => {
    const { sessionId } = await somebody();
    const held = made();
    await issue(sessionId, await proving(sessionId, held));
    const { touches } = held.authenticator;
    const { certificate } = await issue(sessionId, again(held));
    expect(parseCertificateLine(certificate).publicKey).toEqual(held.key.blob);
    expect(held.authenticator.touches).toBe(touches);
  });

  test('that is not to be kept counts once', async () => {
    const { sessionId } = await somebody();
    const held = made();
    await issue(sessionId, await proving(sessionId, held, { keep: false }));
    expect(await code(sessionId, again(held))).toBe('key_possession_unproven');
  });

  test('of one login says nothing in another, not even of the same person', async () => {
    const alice = await somebody();
    const held = made();
    await issue(alice.sessionId, await proving(alice.sessionId, held));
    const later = await sample.login(alice.accountId);
    expect(await code(later.sessionId, again(held))).toBe('key_possession_unproven');
    const bob = await somebody();
    expect(await code(bob.sessionId, again(held))).toBe('key_possession_unproven');
  });

  test('is needed: a key that was never proven gets none', async () => {
    const { sessionId } = await somebody();
    expect(await code(sessionId, again(made()))).toBe('key_possession_unproven');
  });

  test('is not kept where the certificate is refused', async () => {
    const { sessionId } = await somebody();
    const held = made();
    await ask({ hardware_keys: 'verified' });
    expect(await code(sessionId, await proving(sessionId, held))).toBe('access_denied');
    await ask({});
    expect(await code(sessionId, again(held))).toBe('key_possession_unproven');
  });
});

describe('where the organization asks for security keys', () => {
  test('a key in a file is refused, and the command is told', async () => {
    await ask({ hardware_keys: 'required' });
    const { sessionId } = await somebody();
    const refused = issue(sessionId, await requestFor(sample.authority, sessionId));
    await expect(refused).rejects.toMatchObject({
      code: 'access_denied',
      members: { reasons: ['hardware_key_required'], command: 'sally login --key sk' },
    });
    expect((await issue(sessionId, await proving(sessionId, made()))).serial).toMatch(/^[1-9]/);
  });

  test('an API token is asked for none', async () => {
    await ask({ hardware_keys: 'verified' });
    const { accountId } = await somebody();
    const { sessionId } = await sample.login(accountId, { kind: 'token' });
    expect((await issue(sessionId, await requestFor(sample.authority, sessionId))).serial).toMatch(/^[1-9]/);
  });

  test('with a PIN or a finger: the proof must say so, and sshd is told to ask for it', async () => {
    await ask({ hardware_keys: 'verified' });
    const { sessionId } = await somebody();
    const held = made();
    expect(await code(sessionId, await proving(sessionId, held))).toBe('access_denied');
    const first = await issue(sessionId, await proving(sessionId, held, { asked: presentAndVerified }));
    const next = await issue(sessionId, again(held));
    for (const { certificate } of [first, next]) {
      expect(parseCertificateLine(certificate).criticalOptions.map(({ name }) => name)).toEqual([
        'verify-required',
      ]);
    }
  });

  test('a key that was proven without one before is proven anew', async () => {
    const { sessionId } = await somebody();
    const held = made();
    await issue(sessionId, await proving(sessionId, held));
    await ask({ hardware_keys: 'verified' });
    expect(await code(sessionId, again(held))).toBe('access_denied');
    await issue(sessionId, await proving(sessionId, held, { asked: presentAndVerified }));
    await issue(sessionId, again(held));
  });
});

describe('where the maker must vouch for the key', () => {
  const maker = new AttestingMaker();
  const strict = {
    hardware_keys: 'required',
    hardware_attestation: 'required',
    hardware_authorities: [maker.authority.pem],
  } as const;

  async function attested(sessionId: string, by = maker, keep = true) {
    const { challenge } = await sample.authority.createChallenge(sessionId);
    const held = made(challenge, new SoftwareAuthenticator({ maker: by }));
    const request = await proving(sessionId, held, { challenge, keep });
    const attestation = attestationDocument(held.key).toString('base64');
    const possession = { ...request.possession, attestation } as CertificateRequest['possession'];
    return { held, request: { ...request, possession } };
  }

  test('[abuse 46] a key without that is refused, and so is one that was made for another application', async () => {
    await ask({ ...strict, hardware_authorities: [...strict.hardware_authorities] });
    const { sessionId } = await somebody();
    await expect(issue(sessionId, await proving(sessionId, made()))).rejects.toMatchObject({
      members: { reasons: ['hardware_key_unattested'] },
    });
    const { key } = made();
    const web = Buffer.from(key.blob.toString('latin1').replace('ssh:sallyport', 'web:sallyport'), 'latin1');
    const forWeb = { ...(await proving(sessionId, made())), public_key: publicKeyLine({ blob: web }) };
    expect(await code(sessionId, forWeb)).toBe('key_type_refused');
  });

  test('it is believed of the makers that are named, and remembered in later logins', async () => {
    await ask({ ...strict, hardware_authorities: [...strict.hardware_authorities] });
    const { sessionId, accountId } = await somebody();
    const { held, request } = await attested(sessionId);
    await issue(sessionId, request);
    const recorded = await sample.database.db
      .selectFrom('audit_events')
      .select('facts')
      .where('event', '=', 'ssh_key.attested')
      .where('account_id', '=', accountId)
      .execute();
    expect(recorded).toMatchObject([
      { facts: { fingerprint: fingerprint(held.key.blob), model: held.authenticator.model } },
    ]);
    await issue(sessionId, again(held));
    const later = await sample.login(accountId);
    await issue(later.sessionId, await proving(later.sessionId, held));
    const other = await attested(sessionId, new AttestingMaker('Test Keys'));
    await expect(issue(sessionId, other.request)).rejects.toMatchObject({
      members: { reasons: ['hardware_key_unattested'] },
    });
  });

  test('it ends with the maker’s authority', async () => {
    await ask({ ...strict, hardware_authorities: [...strict.hardware_authorities] });
    const { sessionId } = await somebody();
    const { held, request } = await attested(sessionId);
    await issue(sessionId, request);
    await ask({ ...strict, hardware_authorities: [new AttestingMaker().authority.pem] });
    expect(await code(sessionId, again(held))).toBe('access_denied');
  });

  test('it is over our own challenge, which is good once', async () => {
    await ask({ ...strict, hardware_authorities: [...strict.hardware_authorities] });
    const { sessionId } = await somebody();
    const { held, request } = await attested(sessionId);
    await issue(sessionId, request);
    // The same document beside a proof over a new challenge, and beside the used one.
    const fresh = await proving(sessionId, held);
    const { attestation } = request.possession as { attestation: string };
    const possession = { ...fresh.possession, attestation } as CertificateRequest['possession'];
    expect(await code(sessionId, { ...fresh, possession })).toBe('attestation_refused');
    expect(await code(sessionId, { ...request, request_id: randomUUID() })).toBe('key_possession_unproven');
  });

  test('a model that is not on the list is refused', async () => {
    const hardware_models = ['11111111-2222-3333-4444-555555555555'];
    await ask({ ...strict, hardware_authorities: [...strict.hardware_authorities], hardware_models });
    const { sessionId } = await somebody();
    await expect(issue(sessionId, (await attested(sessionId)).request)).rejects.toMatchObject({
      members: { reasons: ['hardware_key_model'] },
    });
  });
});

describe('a key that cannot be made anew', () => {
  const end = (sessionId: string, reason: 'logout' | 'revoked') =>
    inTransaction(sample.database.db, (tx) =>
      endSession(tx, { sessionId, reason, by: 'somebody' }, sample.clock.now),
    );

  test('outlives its person’s own logout', async () => {
    const { sessionId, accountId } = await somebody();
    const held = made();
    await issue(sessionId, await proving(sessionId, held));
    await end(sessionId, 'logout');
    const later = await sample.login(accountId);
    await issue(later.sessionId, await proving(later.sessionId, held));
  });

  test('but nothing else that ends a login, and not where its proof was not kept', async () => {
    for (const [reason, keep] of [
      ['revoked', true],
      ['logout', false],
    ] as const) {
      const { sessionId, accountId } = await somebody();
      const held = made();
      await issue(sessionId, await proving(sessionId, held, { keep }));
      await end(sessionId, reason);
      const later = await sample.login(accountId);
      expect(await code(later.sessionId, await proving(later.sessionId, held))).toBe('key_revoked');
    }
  });

  test('outlives what its certificates were narrowed to: a role that is taken away, a machine that is revoked', async () => {
    const { sessionId, accountId } = await somebody();
    const held = made();
    const { hostId, environmentId } = await hopInventory(sample, accountId);
    await sample.database.db
      .updateTable('environments')
      .set({ mfa_required: false })
      .where('id', '=', environmentId)
      .execute();
    const { host_key } = await sample.database.db
      .selectFrom('companions')
      .select('host_key')
      .where('id', '=', hostId)
      .executeTakeFirstOrThrow();
    const machine = fingerprint(host_key ?? Buffer.alloc(0));
    await issue(sessionId, await proving(sessionId, held));
    await issue(sessionId, { ...again(held), environment: { project: 'shop', environment: 'production' } });
    await issue(sessionId, { ...again(held), machine });

    const { now } = sample.clock;
    await inTransaction(sample.database.db, async (tx) => {
      await tx.deleteFrom('access_rules').where('account_id', '=', accountId).execute();
      await revokeCompanion(tx, { companionId: hostId, by: 'operator' }, now);
    });
    expect(await revokeUntrueCertificates(sample.database.db, now)).toBe(1);
    const { serial } = await issue(sessionId, again(held));
    // A word against the key itself counts.
    await inTransaction(sample.database.db, (tx) =>
      revokeCertificates(tx, { serials: [BigInt(serial)] }, 'key lost', now),
    );
    expect(await code(sessionId, again(held))).toBe('key_revoked');
  });
});

test('an explanation goes by the key that the login has proven last', async () => {
  const { sessionId, accountId } = await somebody();
  const of = () => inTransaction(sample.database.db, (tx) => keptKeyOf(tx, { sessionId, accountId }));
  expect(await of()).toBeUndefined();
  await issue(sessionId, await proving(sessionId, made(), { asked: presentAndVerified }));
  expect(await of()).toEqual({ isSecurityKey: true, userVerified: true, attestedModel: null });
});
