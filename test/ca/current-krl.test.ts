import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hopSectionMark, krlMessage } from '../../src/api/companions.ts';
import { createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { createKrlSource } from '../../src/ca/current-krl.ts';
import type { CaKey, CaKeys } from '../../src/ca/issuing.ts';
import { budgetMessage, type KrlBudget } from '../../src/ca/krl-budget.ts';
import { krlReport, readKrl } from '../../src/ca/read-krl.ts';
import { rotateCaKey } from '../../src/ca/rotate-ca-key.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { pruneRevokedSerials } from '../../src/revocation/revoked-serials.ts';
import { bumpStateVersion, readStateVersion } from '../../src/revocation/state-version.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
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

  test('[abuse 110] names what is revoked by serial, never by key ID', async () => {
    const { sessionId } = await sample.person('anna');
    const { serial } = await issue(sessionId);
    await end(sessionId);
    const { sections, ...krl } = parseKrl((await sample.authority.currentKrl()).data);
    expect(isRevoked({ sections, ...krl }, sample.userKey.publicKeyBlob, BigInt(serial))).toBe(true);
    // The one that there is marks the hop CA's section, and no certificate has it.
    expect(sections.flatMap(({ keyIds }) => [...keyIds])).toEqual([hopSectionMark]);
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

  test('[abuse 105] revokes a canary in every section, the one that its CA shows', async () => {
    const krl = parseKrl((await sample.authority.currentKrl()).data);
    const shown = [
      ...(await sample.authority.userAuthorities()),
      ...(await sample.authority.hopAuthorities()),
    ];
    expect(shown).toHaveLength(krl.sections.length);
    for (const { publicKeyLine, canaryLine } of shown) {
      const canary = parseCertificateLine(canaryLine);
      expect(canary.caPublicKey).toEqual(parsePublicKeyLine(publicKeyLine).blob);
      expect(isRevoked(krl, canary.caPublicKey, canary.serial)).toBe(true);
    }
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

describe('one version after another', () => {
  let other: FreshDatabase;
  let caKeyId: string;
  let keys: CaKeys;
  let refreshes: (() => Promise<void>)[];
  beforeAll(async () => {
    other = await freshDatabase();
    const { authority, userKey } = await sampleAuthority(other);
    await authority.close();
    const { id } = await other.db
      .selectFrom('ca_keys')
      .select('id')
      .where('purpose', '=', 'user')
      .executeTakeFirstOrThrow();
    caKeyId = id;
    const signer = memorySigner(userKey);
    const key: CaKey = { id, purpose: 'user', generation: 1, publicKey: signer.publicKey, signer };
    keys = {
      active: () => key,
      byId: () => key,
      vouching: () => [],
      refresh: () => refreshes.shift()?.() ?? Promise.resolve(),
    };
  });
  afterAll(() => other.close());
  beforeEach(async () => {
    refreshes = [];
    await other.db.deleteFrom('revoked_serials').execute();
    await revoke([]);
  });

  const source = (onBudgetCrossed?: (budget: KrlBudget) => void) =>
    createKrlSource({ db: other.db, domain, clock: () => startTime, keys }, onBudgetCrossed);
  const end = (hours: number) => new Date(startTime.getTime() + hours * 3_600_000);

  /** Stores what a revocation stores. */
  async function revoke(serials: readonly bigint[], validBefore = end(1)): Promise<bigint> {
    return await inTransaction(other.db, async (tx) => {
      const version = await bumpStateVersion(tx, startTime, { krl: true });
      for (let done = 0; done < serials.length; done += 5_000) {
        const rows = serials.slice(done, done + 5_000).map((serial) => ({
          serial,
          ca_key_id: caKeyId,
          version,
          valid_before: validBefore,
          reason: 'test',
        }));
        await tx
          .insertInto('revoked_serials')
          .values(rows)
          .onConflict((conflict) => conflict.doNothing())
          .execute();
      }
      return version;
    });
  }
  const prune = (now: Date) => inTransaction(other.db, (tx) => pruneRevokedSerials(tx, now));

  test('a replica that saw every change and one that saw none write the same bytes', async () => {
    const step = fc.oneof(
      fc.record({
        serials: fc.array(
          fc.oneof(fc.bigInt({ min: 2n, max: 60n }), fc.bigInt({ min: 2n, max: 2n ** 62n })),
          {
            maxLength: 20,
          },
        ),
        endsInHours: fc.integer({ min: 1, max: 6 }),
      }),
      fc.record({ pruneAtHours: fc.integer({ min: 0, max: 8 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
        const seeing = source();
        for (const change of steps) {
          if ('serials' in change) await revoke(change.serials, end(change.endsInHours));
          else await prune(end(change.pruneAtHours));
          const { version, data } = await seeing();
          expect(await readKrl(other.db, domain)).toMatchObject({ version, data });
        }
      }),
      { numRuns: 8 },
    );
  });

  test('a row that leaves in another way than by pruning is noticed too', async () => {
    const seeing = source();
    await revoke([10n], end(1));
    await revoke([20n, 30n], end(3));
    await seeing();
    await other.db.deleteFrom('revoked_serials').where('serial', '=', '20').execute();
    await revoke([40n], end(2));
    const krl = parseKrl((await seeing()).data);
    const revoked = [10n, 20n, 30n, 40n].filter((serial) =>
      isRevoked(krl, keys.active('user').publicKey, serial),
    );
    expect(revoked).toEqual([10n, 30n, 40n]);
  });

  test('a database that was set back to an older version is read again', async () => {
    const seeing = source();
    const older = await revoke([10n]);
    await revoke([20n]);
    await seeing();
    await inTransaction(other.db, async (tx) => {
      await tx.deleteFrom('revoked_serials').where('serial', '=', '20').execute();
      await tx.updateTable('state_version').set({ version: older, krl_version: older }).execute();
    });
    const { version, data } = await seeing();
    expect(version).toBe(`${older}`);
    expect(isRevoked(parseKrl(data), keys.active('user').publicKey, 20n)).toBe(false);
  });

  test('all who wait get the one that is being made', async () => {
    const seeing = source();
    await revoke([10n]);
    let made = 0;
    refreshes = Array.from({ length: 5 }, () => async () => {
      made++;
    });
    const all = await Promise.all(Array.from({ length: 5 }, () => seeing()));
    for (const krl of all) expect(krl).toBe(all[0]);
    expect(made).toBe(1);
  });

  test('who asks after a revocation gets it, also while an older list is being made', async () => {
    const seeing = source();
    const first = await revoke([10n]);
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    refreshes.push(() => {
      begin();
      return held;
    });
    const early = seeing();
    await begun;
    const second = await revoke([20n]);
    const late = [seeing(), seeing()];
    release();
    expect((await early).version).toBe(`${first}`);
    const [newer, alsoNewer] = await Promise.all(late);
    expect(newer?.version).toBe(`${second}`);
    expect(alsoNewer).toBe(newer);
  });

  test('a revocation does not wait for the list: it is stored while one is stuck in the making', async () => {
    const seeing = source();
    await revoke([10n]);
    const { promise: stuck, resolve: release } = Promise.withResolvers<void>();
    refreshes.push(() => stuck);
    const waiting = seeing();
    const version = await revoke([20n]);
    expect((await readStateVersion(other.db)).krlVersion).toBe(version);
    release();
    await waiting;
  });

  test('[abuse 113] dense serials are a range, scattered ones count against 80 KB, and each crossing is told once', async () => {
    const told: KrlBudget[] = [];
    const seeing = source((budget) => told.push(budget));
    await revoke(
      Array.from({ length: 20_000 }, (_, index) => BigInt(500 + index)),
      end(9),
    );
    expect((await seeing()).budget.bytes).toBeLessThan(1_000);

    const scattered = Array.from({ length: 11_000 }, (_, index) => BigInt(index + 1) * 1_000_003n);
    await revoke(scattered, end(1));
    const { budget, data } = await seeing();
    expect(budget).toEqual({ bytes: data.length, limit: 80_000 });
    expect(budget.bytes).toBeGreaterThan(80_000);
    await revoke([7n], end(9));
    await seeing();
    expect(told).toEqual([budget]);
    expect(budgetMessage(budget)).toContain('over its budget');
    expect(await krlReport(other.db)).toMatchObject({ serials: 31_001, budget: { limit: 80_000 } });

    await prune(end(2));
    const after = await seeing();
    expect(told).toEqual([budget, after.budget]);
    expect(budgetMessage(after.budget)).not.toContain('over');
    const krl = parseKrl(after.data);
    const known = [7n, 500n, 20_499n, 1_000_003n].map((serial) =>
      isRevoked(krl, keys.active('user').publicKey, serial),
    );
    expect(known).toEqual([true, true, true, false]);
  });
});
