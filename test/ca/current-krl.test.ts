import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { krlMessage } from '../../src/api/companions.ts';
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { rotateCaKey } from '../../src/ca/rotate-ca-key.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { bumpStateVersion } from '../../src/revocation/state-version.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { verifySshsig } from '../../src/ssh/sshsig.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { describeWithSshKeygen, sshKeygen, temporaryFolder } from '../interop/ssh-keygen.ts';
import {
  domain,
  heldInMemory,
  memorySigner,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startTime,
} from './sample-authority.ts';

let database: FreshDatabase;
let sample: SampleAuthority;
beforeAll(async () => {
  database = await freshDatabase();
  sample = await sampleAuthority(database);
});
afterAll(() => database.close());

async function issue(sessionId: string) {
  const request = await requestFor(sample.authority, sessionId);
  return await sample.authority.issueUserCertificate({ sessionId, request });
}

async function end(sessionId: string): Promise<bigint> {
  const ended = await inTransaction(database.db, (tx) =>
    endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, startTime),
  );
  return ended.version;
}

describe('the revocation list', () => {
  test('has the version of the last revocation and revokes what that revoked', async () => {
    const [alice, bob] = [await sample.person('alice'), await sample.person('bob')];
    const [first, other, second] = [
      await issue(alice.sessionId),
      await issue(bob.sessionId),
      await issue(alice.sessionId),
    ];
    const before = parseKrl((await sample.authority.currentKrl()).data);
    const version = await end(alice.sessionId);
    const after = await sample.authority.currentKrl();
    const krl = parseKrl(after.data);
    const revoked = ({ serial }: { serial: string }, list = krl) =>
      isRevoked(list, sample.userKey.publicKeyBlob, BigInt(serial));

    expect(after.version).toBe(`${version}`);
    expect(krl.version).toBe(version);
    expect([revoked(first), revoked(second), revoked(other)]).toEqual([true, true, false]);
    expect(revoked(first, before)).toBe(false);
  });

  test('is signed by the user CA, for its version and bytes, in its namespace', async () => {
    const { version, data, signature } = await sample.authority.currentKrl();
    const claim = {
      namespace: `krl@${domain}`,
      publicKeyBlob: sample.userKey.publicKeyBlob,
      armored: signature,
    };
    verifySshsig({ ...claim, message: krlMessage(version, data) });
    expect(() => verifySshsig({ ...claim, message: krlMessage(`${BigInt(version) + 1n}`, data) })).toThrow();
  });

  test('is made once per version', async () => {
    const first = await sample.authority.currentKrl();
    await inTransaction(database.db, (tx) => bumpStateVersion(tx, startTime, { krl: false }));
    expect(await sample.authority.currentKrl()).toBe(first);
    await inTransaction(database.db, (tx) => bumpStateVersion(tx, startTime, { krl: true }));
    expect(BigInt((await sample.authority.currentKrl()).version)).toBeGreaterThan(BigInt(first.version));
  });

  test('is the same bytes from every replica', async () => {
    const replica = await createCertificateAuthority({
      database,
      ...heldInMemory({ user: memorySigner(sample.userKey), host: sample.hostSigner }),
      domain,
      clock: () => new Date(startTime.getTime() + 12_345),
    });
    expect(await replica.currentKrl()).toEqual(await sample.authority.currentKrl());
  });

  test('has a section for the user CA and the hop CA: host certificates are not sshd’s to check here', async () => {
    const { sections } = parseKrl((await sample.authority.currentKrl()).data);
    const [hop] = await sample.authority.hopAuthorities();
    expect(sections.map(({ caPublicKey }) => caPublicKey)).toEqual([
      parsePublicKeyLine(hop?.publicKeyLine ?? '').blob,
      sample.userKey.publicKeyBlob,
    ]);
  });
});

describeWithSshKeygen('the revocation list and ssh-keygen', () => {
  const folder = temporaryFolder();

  test('ssh-keygen -Q revokes the canary and a revoked certificate, and not the neighbors', async () => {
    const [dora, emil] = [await sample.person('dora'), await sample.person('emil')];
    const certificates = [
      await issue(emil.sessionId),
      await issue(dora.sessionId),
      await issue(emil.sessionId),
    ];
    const serials = certificates.map(({ serial }) => BigInt(serial));
    expect(serials[2]).toBe((serials[0] ?? 0n) + 2n);
    await end(dora.sessionId);

    const krlFile = folder.write('krl', (await sample.authority.currentKrl()).data);
    const [user] = await sample.authority.userAuthorities();
    const lines = [user?.canaryLine ?? '', ...certificates.map(({ certificate }) => certificate)];
    const files = lines.map((line, index) => folder.write(`${index}-cert.pub`, `${line}\n`));
    const answers = sshKeygen(['-Q', '-f', krlFile, ...files])
      .stdout.split('\n')
      .filter((line) => /: (ok|REVOKED)$/.test(line))
      .map((line) => line.replace(/.*: /, ''));
    expect(answers).toEqual(['REVOKED', 'ok', 'REVOKED', 'ok']);
  });
});

test('[abuse 109] a serial revoked before a rotation stays revoked, in the section of the key that signed it', async () => {
  const { sessionId } = await sample.person('before-rotation');
  const { serial } = await issue(sessionId);
  await end(sessionId);
  const change = { db: database.db, ...sample.held, now: startTime, by: 'test' };
  await rotateCaKey(change, { purpose: 'user', now: true });
  const lines = (await sample.authority.userAuthorities()).map(({ publicKeyLine }) => publicKeyLine);
  const [before, after] = lines.map((line) => parsePublicKeyLine(line).blob);
  expect(before).toEqual(sample.userKey.publicKeyBlob);

  const revokedBy = async (key: Buffer = Buffer.alloc(0)) =>
    isRevoked(parseKrl((await sample.authority.currentKrl()).data), key, BigInt(serial));
  expect(await revokedBy(before)).toBe(true);
  expect(await revokedBy(after)).toBe(false);

  // Should somebody retire it by hand: while anything of it is listed, it has its section.
  await inTransaction(database.db, async (tx) => {
    await tx.updateTable('ca_keys').set({ state: 'retired' }).where('state', '=', 'retiring').execute();
    await bumpStateVersion(tx, startTime, { krl: true });
  });
  expect(await revokedBy(before)).toBe(true);
});
