/** What certificates permit of sshd where apps allow agents or the far side to be forwarded. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { createEnvironment } from '../../src/inventory/environment.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { type HopInventory, hopInventory, hopRequest, sourceCertificate } from './hop-inventory.ts';
import { type Person, requestFor, type SampleAuthority, sampleAuthority } from './sample-authority.ts';

let database: FreshDatabase;
let sample: SampleAuthority;
let inventory: HopInventory;
let alice: Person;
beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
  alice = await sample.person('alice');
  inventory = await hopInventory(sample, alice.accountId);
});
afterAll(() => database.close());

type Forwarding = Partial<Record<'agent_forwarding' | 'remote_forwarding', boolean>>;

async function allow(forwarding: Forwarding): Promise<void> {
  const { environmentId } = inventory;
  await database.db.updateTable('apps').set(forwarding).where('environment_id', '=', environmentId).execute();
}

const permitsOf = (line: string) =>
  parseCertificateLine(line)
    .extensions.map(({ name }) => name)
    .filter((name) => name.startsWith('permit-'));

async function userPermits({ sessionId }: Person, environment?: { project: string; environment: string }) {
  const asked = await requestFor(sample.authority, sessionId, generateEd25519());
  const request = environment ? { ...asked, environment } : asked;
  return permitsOf((await sample.authority.issueUserCertificate({ sessionId, request })).certificate);
}

async function hopReply() {
  const { gatewayId: companionId, targetName: target } = inventory;
  const source_certificate = await sourceCertificate(sample, alice.sessionId);
  const request = await hopRequest(companionId, { source_certificate, target });
  return await sample.authority.issueHopCertificate({ companionId, request });
}

test('nobody’s certificate permits more than a terminal and tunnels while no app wants it', async () => {
  expect(await userPermits(alice)).toEqual(['permit-port-forwarding', 'permit-pty']);
  expect(permitsOf((await hopReply()).certificate)).toEqual(['permit-pty']);
});

test('where an app wants it, the certificates of those who may reach it permit an agent, and only theirs', async () => {
  await allow({ agent_forwarding: true });
  const bob = await sample.person('bob');
  expect(await userPermits(alice)).toEqual([
    'permit-agent-forwarding',
    'permit-port-forwarding',
    'permit-pty',
  ]);
  expect(await userPermits(bob)).toEqual(['permit-port-forwarding', 'permit-pty']);
  expect(permitsOf((await hopReply()).certificate)).toEqual(['permit-agent-forwarding', 'permit-pty']);
  await allow({ agent_forwarding: false });
});

test('a certificate that is narrowed to an environment permits what the apps there want', async () => {
  await allow({ agent_forwarding: true });
  const { projectId } = inventory;
  const staging = { project: 'shop', environment: 'staging' };
  await inTransaction(database.db, async (tx) => {
    await createEnvironment(tx, { projectId, slug: 'staging', kind: 'staging' });
  });
  expect(await userPermits(alice, { project: 'shop', environment: 'production' })).toContain(
    'permit-agent-forwarding',
  );
  expect(await userPermits(alice, staging)).not.toContain('permit-agent-forwarding');
  await allow({ agent_forwarding: false });
});

test('a second leg may listen at the host only where the app wants it', async () => {
  await allow({ remote_forwarding: true });
  expect(permitsOf((await hopReply()).certificate)).toEqual(['permit-port-forwarding', 'permit-pty']);
  await allow({ remote_forwarding: false });
});

test('the reply tells when the login session ends', async () => {
  const { expires_at } = await database.db
    .selectFrom('login_sessions')
    .select('expires_at')
    .where('id', '=', alice.sessionId)
    .executeTakeFirstOrThrow();
  expect((await hopReply()).session_expires_at).toBe(Math.floor(expires_at.getTime() / 1_000));
});
