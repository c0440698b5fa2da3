/** Hop certificates for people who came to a gateway by a registered key or a one-time code. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { HopCertificateRequest } from '../../src/api/hop-certificates.ts';
import { registrationMessage } from '../../src/api/ssh-keys.ts';
import { createSshCode } from '../../src/credentials/create-ssh-code.ts';
import { removeRegisteredKeys } from '../../src/credentials/remove-registered-keys.ts';
import { verifySshCode } from '../../src/credentials/verify-ssh-code.ts';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { isSallyportError } from '../../src/errors/sallyport-error.ts';
import { createSealer, newSealingKey } from '../../src/secrets/seal.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig } from '../../src/ssh/sshsig.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { enrolled, environmentWith, type HopInventory, hopInventory, hopRequest } from './hop-inventory.ts';
import {
  domain,
  lineOf,
  type SampleAuthority,
  sampleAuthority,
  startSeconds,
  startTime,
} from './sample-authority.ts';

let database: FreshDatabase;
let sample: SampleAuthority;
let inventory: HopInventory;
let accountId: string;
let sessionId: string;
const sealer = createSealer([newSealingKey()]);
/** Wants no second factor. */
const relaxed = 'shop-staging--web';

beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
  ({ accountId } = await sample.person('alice'));
  inventory = await hopInventory(sample, accountId);
  await inTx(async (tx) => {
    const { projectId, hostId, gatewayId } = inventory;
    const environmentId = await environmentWith(tx, { projectId, slug: 'staging' }, hostId);
    await tx
      .insertInto('companion_environments')
      .values({ companion_id: gatewayId, environment_id: environmentId })
      .execute();
  });
});
afterAll(() => database.close());
beforeEach(async () => {
  sample.clock.now = startTime;
  ({ sessionId } = await sample.login(accountId));
  await allow({ ssh_codes: true, registered_keys: true });
});

const inTx = <Result>(work: (tx: Tx) => Promise<Result>) => inTransaction(database.db, work);
const allow = (values: { ssh_codes?: boolean; registered_keys?: boolean }) =>
  database.db.updateTable('organizations').set(values).execute();

type Source = Partial<Pick<HopCertificateRequest, 'source_certificate' | 'registered_key' | 'ssh_code_use'>>;

async function ask(source: Source, target: string, gatewayId = inventory.gatewayId) {
  const request = await hopRequest(gatewayId, { ...source, target });
  return await sample.authority.issueHopCertificate({ companionId: gatewayId, request });
}
async function refusal(...asked: Parameters<typeof ask>): Promise<string> {
  return await ask(...asked).then(
    () => 'nothing was refused',
    (error: unknown) => {
      if (isSallyportError(error)) return error.code;
      throw error;
    },
  );
}
async function claimsOf(certificate: string) {
  const { extensions } = parseCertificateLine(certificate);
  const named = Object.fromEntries(extensions.map(({ name, value }) => [name, value]));
  return { claims: JSON.parse(named[`claims@${domain}`] ?? '{}'), names: Object.keys(named) };
}

async function registeredKey(key: GeneratedKey = generateEd25519()): Promise<string> {
  const { challenge, namespace } = await sample.authority.createChallenge(sessionId);
  const signature = await signSshsig({
    message: registrationMessage(sessionId, challenge),
    namespace,
    publicKeyBlob: key.publicKeyBlob,
    sign: (bytes) => signWithKey(key.privateKey, bytes),
  });
  const request = {
    public_key: lineOf(key),
    name: randomUUID(),
    expires_in_seconds: 3_600,
    possession: { challenge, signature },
  };
  await sample.authority.registerKey({ sessionId, request, clientAddress: null });
  return lineOf(key);
}

async function usedCode(target: string, companionId = inventory.gatewayId): Promise<string> {
  const { now } = sample.clock;
  const { code } = await inTx((tx) => createSshCode(tx, sealer, { sessionId, uses: 1, target }, now));
  const check = { code, target, source_address: null };
  const verdict = await inTx((tx) => verifySshCode(tx, sealer, { companionId, check }, now));
  if (!verdict.accepted) throw new Error('the code was refused');
  return verdict.use.id;
}

describe('by a registered key', () => {
  test('a hop certificate is of the key’s own session, and notes that the key was used', async () => {
    const registered_key = await registeredKey();
    const { certificate } = await ask({ registered_key }, relaxed);
    const { claims, names } = await claimsOf(certificate);
    const key = await database.db
      .selectFrom('registered_keys')
      .selectAll()
      .orderBy('created_at', 'desc')
      .where('account_id', '=', accountId)
      .executeTakeFirstOrThrow();
    expect(claims).toMatchObject({ mode: 'hop', sid: key.session_id, act: 'gate-1' });
    expect(names.filter((name) => name.startsWith('permit-'))).toEqual(['permit-pty']);
    expect(key.last_used_at).toEqual(startTime);
  });

  test('none is issued where a second factor is wanted', async () => {
    expect(await refusal({ registered_key: await registeredKey() }, inventory.targetName)).toBe(
      'access_denied',
    );
  });

  test('none is issued for a key that was removed, expired, is unknown, or is allowed no more', async () => {
    expect(await refusal({ registered_key: lineOf(generateEd25519()) }, relaxed)).toBe('access_denied');
    const registered_key = await registeredKey();
    await allow({ registered_keys: false });
    expect(await refusal({ registered_key }, relaxed)).toBe('access_denied');
    await allow({ registered_keys: true });
    sample.clock.now = new Date(startTime.getTime() + 3_600_000);
    expect(await refusal({ registered_key }, relaxed)).toBe('access_denied');
    sample.clock.now = startTime;
    await ask({ registered_key }, relaxed);
    await inTx((tx) => removeRegisteredKeys(tx, { within: { accountId }, by: 'test' }, startTime));
    expect(await refusal({ registered_key }, relaxed)).toBe('session_ended');
  });
});

describe('by a one-time code', () => {
  test('a hop certificate is of the code’s session, with its second factor judged as that of a certificate', async () => {
    const ssh_code_use = await usedCode(inventory.targetName);
    const { certificate } = await ask({ ssh_code_use }, inventory.targetName);
    const { claims, names } = await claimsOf(certificate);
    expect(claims).toMatchObject({ mode: 'hop', sid: sessionId });
    expect(names).not.toContain(`mfa@${domain}`);
    sample.clock.now = new Date(startTime.getTime() + 901_000);
    expect(await refusal({ ssh_code_use }, inventory.targetName)).toBe('access_denied');
  });

  test('a session of the connection may begin for an hour, and each gets a key of its own', async () => {
    const ssh_code_use = await usedCode(relaxed);
    await ask({ ssh_code_use }, relaxed);
    sample.clock.now = new Date(startTime.getTime() + 3_595_000);
    const { valid_before } = await ask({ ssh_code_use }, relaxed);
    expect(valid_before).toBe(startSeconds + 3_600);
    sample.clock.now = new Date(startTime.getTime() + 3_600_000);
    expect(await refusal({ ssh_code_use }, relaxed)).toBe('access_denied');
  });

  test('none is issued to another gateway, for another target, or for a use that never was', async () => {
    const ssh_code_use = await usedCode(relaxed);
    const other = await inTx(async (tx) => {
      const { environment_id } = await tx
        .selectFrom('companion_environments')
        .select('environment_id')
        .where('companion_id', '=', inventory.gatewayId)
        .where('environment_id', '<>', inventory.environmentId)
        .executeTakeFirstOrThrow();
      return await enrolled(tx, sample, {
        kind: 'gateway',
        name: 'gate-2',
        address: '192.0.2.20',
        environmentIds: [environment_id],
      });
    });
    expect(await refusal({ ssh_code_use }, relaxed, other)).toBe('access_denied');
    expect(await refusal({ ssh_code_use }, inventory.targetName)).toBe('access_denied');
    expect(await refusal({ ssh_code_use: randomUUID() }, relaxed)).toBe('access_denied');
  });

  test('none is issued once the session has ended or codes are allowed no more', async () => {
    const ssh_code_use = await usedCode(relaxed);
    await allow({ ssh_codes: false });
    expect(await refusal({ ssh_code_use }, relaxed)).toBe('access_denied');
    await allow({ ssh_codes: true });
    await inTx((tx) => endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, startTime));
    expect(await refusal({ ssh_code_use }, relaxed)).toBe('session_ended');
  });
});
