import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { CompanionState } from '../../src/api/companions.ts';
import { type Companion, createCompanion } from '../../src/gateway/companion.ts';
import { enrol } from '../../src/gateway/enrol.ts';
import type { Enrolment } from '../../src/gateway/enrolment.ts';
import type { LogEntry } from '../../src/gateway/log.ts';
import { type CompanionPaths, companionPaths } from '../../src/gateway/paths.ts';
import { findPrograms } from '../../src/gateway/programs.ts';
import { runProgram } from '../../src/gateway/run-program.ts';
import { certificateLine } from '../../src/ssh/encode-certificate.ts';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { until } from './ssh-client.ts';
import { caLine, TestAuthority } from './test-authority.ts';
import { alice, hasSshd, web } from './test-world.ts';

const authority = new TestAuthority();
const logged: LogEntry[] = [];
let folder: string;
let paths: CompanionPaths;
let enrolment: Enrolment;
let companion: Companion;

beforeAll(() => authority.start());
afterAll(() => authority.stop());
beforeEach(async () => {
  if (!hasSshd) return;
  logged.length = 0;
  folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
  paths = companionPaths(join(folder, 'state'), join(folder, 'run'));
  const sshKeygen = findPrograms().sshKeygen;
  const token = authority.token('gateway', 'gateway');
  enrolment = await enrol({ paths, serverUrl: authority.url, token, sshKeygen, kind: 'gateway' });
  companion = startable();
  await companion.start();
  await companion.ready;
});
afterEach(async () => {
  await companion?.stop();
  authority.streamIsDown = false;
  await rm(folder, { recursive: true, force: true });
});

function startable(): Companion {
  return createCompanion({
    paths,
    enrolment,
    programs: findPrograms(),
    sshdPidFile: join(folder, 'sshd.pid'),
    clock: () => new Date(),
    log: (entry) => logged.push(entry),
    intervals: { processesMilliseconds: 1_000, filesMilliseconds: 50 },
    feed: { pauses: { firstMilliseconds: 5, longestMilliseconds: 20 } },
  });
}

/** Asks OpenSSH whether a certificate with this serial is revoked by the installed file. */
async function isRevoked(serial: bigint): Promise<boolean> {
  const blob = authority.userCertificate({
    account: alice,
    publicKey: generateEd25519().publicKeyBlob,
    sessionId: '0b0f3c1e-55b0-4b0a-9d7b-2f3a54f0c001',
    serial,
  });
  const file = join(folder, 'asked-cert.pub');
  await writeFile(file, `${certificateLine(blob)}\n`);
  const { stdout } = await runProgram(findPrograms().sshKeygen, ['-Q', '-f', paths.revokedKeys, file]);
  return stdout.trim().endsWith('REVOKED');
}

const digest = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
const problemOf = (pattern: RegExp) =>
  authority.waitForAcknowledgement(({ problem }) => pattern.test(problem ?? ''));

describe.skipIf(!hasSshd)('the files that sshd reads (needs openssh-server and curl)', () => {
  test('a state is installed: CA keys, KRL and host certificate, readable but not writable by others', async () => {
    expect(await readFile(paths.userAuthorities, 'utf8')).toBe(`${caLine(authority.userCa)}\n`);
    expect(await readFile(paths.revokedKeys)).toEqual(authority.krl());
    for (const path of [paths.userAuthorities, paths.revokedKeys, paths.hostCertificate]) {
      expect((await stat(path)).mode & 0o777).toBe(0o644);
    }
    for (const path of [paths.state, paths.enrolment, paths.hostKey]) {
      expect((await stat(path)).mode & 0o777).toBe(0o600);
    }
  });

  test('a revocation is in the installed file when it is acknowledged, and ssh-keygen agrees', async () => {
    const serial = authority.nextSerial();
    expect(await isRevoked(serial)).toBe(false);
    authority.revoked.push(serial);
    const version = authority.push({ krl: true });
    await authority.waitForAcknowledgement((found) => found.krl_version === version);
    expect(await isRevoked(serial)).toBe(true);
    expect(await isRevoked(serial + 1n)).toBe(false);
  });

  test('[abuse 113] a list at its budget is installed, and so is one ten times as large', async () => {
    for (const count of [9_900, 99_000]) {
      authority.revoked = Array.from({ length: count }, (_, index) => 1_000_003n * BigInt(index + 1));
      const version = authority.push({ krl: true });
      await authority.waitForAcknowledgement((found) => found.krl_version === version);
      expect((await stat(paths.revokedKeys)).size).toBeGreaterThan(8 * count);
      const last = 1_000_003n * BigInt(count);
      expect([await isRevoked(last), await isRevoked(last + 1n)]).toEqual([true, false]);
    }
    authority.revoked = [];
  });

  test.each([
    ['empty', () => Buffer.alloc(0)],
    ['of comments only', () => Buffer.from('# nothing\n')],
    ['of NUL bytes', () => Buffer.alloc(4096)],
    ['cut after its header', (good: Buffer) => good.subarray(0, 44)],
    ['cut in the middle', (good: Buffer) => good.subarray(0, good.length - 5)],
  ])('[abuse 104] a KRL file that somebody made %s is healed', async (_, damage) => {
    const good = await readFile(paths.revokedKeys);
    await writeFile(paths.revokedKeys, damage(good));
    await until(async () => (await readFile(paths.revokedKeys)).equals(good), 'healed');
    await until(() => logged.some(({ event }) => event === 'files.healed'), 'told');
  });

  test('[abuse 104] a KRL file that somebody replaced by a link to /dev/null is healed', async () => {
    const good = await readFile(paths.revokedKeys);
    await rm(paths.revokedKeys);
    await symlink('/dev/null', paths.revokedKeys);
    await until(async () => (await lstat(paths.revokedKeys)).isFile(), 'healed');
    expect(await readFile(paths.revokedKeys)).toEqual(good);
  });

  test('CA keys that somebody added are removed again', async () => {
    const good = await readFile(paths.userAuthorities);
    await writeFile(paths.userAuthorities, `${good}${caLine(generateEd25519())}\n`);
    await until(async () => (await readFile(paths.userAuthorities)).equals(good), 'healed');
  });

  test('[abuse 107] an older state or an older KRL is refused, also after a restart, and the newer file stays', async () => {
    const newest = authority.push({ krl: true });
    await authority.waitForAcknowledgement((found) => found.version === newest);
    const before = await digest(paths.revokedKeys);
    const older = (BigInt(newest) - 1n).toString();
    await authority.pushDocument((state) => ({ ...state, version: older }));
    await problemOf(/state version .* is installed/);
    const krl = authority.krl();
    const signature = await authority.signKrl(older, krl);
    const version = authority.push();
    await authority.waitForAcknowledgement((found) => found.version === version);
    await authority.pushDocument((state) => ({
      ...state,
      krl: { version: older, data: krl.toString('base64'), signature },
    }));
    await problemOf(/KRL version .* is installed/);
    expect(await digest(paths.revokedKeys)).toBe(before);

    await companion.stop();
    companion = startable();
    authority.acknowledgements.length = 0;
    await companion.start();
    await authority.waitForAcknowledgement((found) => found.version === version);
    await authority.pushDocument((state) => ({ ...state, version: older }));
    await problemOf(/state version .* is installed/);
    expect(await digest(paths.revokedKeys)).toBe(before);
  });

  test('[abuse 108] a KRL signed by another key, or by the right one for another version, is refused', async () => {
    const before = await digest(paths.revokedKeys);
    const foreign = generateEd25519();
    await authority.pushDocument(async (state) => ({
      ...state,
      krl: {
        ...state.krl,
        signature: await authority.signKrl(state.krl.version, Buffer.from(state.krl.data, 'base64'), foreign),
      },
    }));
    await problemOf(/not signed by a user CA/);
    authority.acknowledgements.length = 0;
    await authority.pushDocument((state) => ({
      ...state,
      krl: { ...state.krl, version: (BigInt(state.krl.version) + 1n).toString() },
    }));
    await problemOf(/not signed by a user CA/);
    expect(await digest(paths.revokedKeys)).toBe(before);
  });

  test.each([
    ['empty', Buffer.alloc(0), /revokes nothing/],
    ['a header only', authority.krl().subarray(0, 44), /revokes nothing/],
    ['NULs', Buffer.alloc(4096), /does not start like one/],
    ['text', Buffer.from(`#${' '.repeat(100)}\n`), /does not start like one/],
  ])('[abuse 104] a signed KRL that is no KRL (%s) is refused', async (_, krl, problem) => {
    const before = await digest(paths.revokedKeys);
    await authority.pushDocument(async (state) => ({
      ...state,
      krl: {
        version: state.krl.version,
        data: krl.toString('base64'),
        signature: await authority.signKrl(state.krl.version, krl),
      },
    }));
    await problemOf(problem);
    expect(await digest(paths.revokedKeys)).toBe(before);
  });

  test('[abuse 105] a signed KRL without the canary is refused', async () => {
    const before = await digest(paths.revokedKeys);
    await authority.pushDocument(async (state) => {
      const krl = encodeKrl({
        version: BigInt(state.krl.version),
        generatedAt: 0n,
        comment: '',
        sections: [
          { kind: 'certificates' as const, caPublicKey: authority.userCa.publicKeyBlob, serials: [77n] },
        ],
      });
      const signature = await authority.signKrl(state.krl.version, krl);
      return { ...state, krl: { version: state.krl.version, data: krl.toString('base64'), signature } };
    });
    await problemOf(/does not revoke the canary/);
    expect(await digest(paths.revokedKeys)).toBe(before);
  });

  test('a new CA key is refused until a KRL of the old key vouches for it; a retired key vouches for nothing', async () => {
    const next = generateEd25519();
    const addition = { public_key: caLine(next), canary: authority.canary(next).line };
    await authority.pushDocument((state) => ({
      ...state,
      user_authorities: [...state.user_authorities, addition],
    }));
    await problemOf(/does not revoke the canary/);
    await authority.pushDocument(async (state) => {
      const krl = encodeKrl({
        version: BigInt(state.krl.version),
        generatedAt: 0n,
        comment: '',
        sections: [authority.userCa, next].map(({ publicKeyBlob }) => ({
          kind: 'certificates' as const,
          caPublicKey: publicKeyBlob,
          serials: [1n],
        })),
      });
      const signature = await authority.signKrl(state.krl.version, krl);
      return {
        ...state,
        user_authorities: [...state.user_authorities, addition],
        krl: { version: state.krl.version, data: krl.toString('base64'), signature },
      };
    });
    const both = `${caLine(authority.userCa)}\n${caLine(next)}\n`;
    await until(async () => (await readFile(paths.userAuthorities, 'utf8')) === both, 'both CAs trusted');

    const krlOfNext = encodeKrl({
      version: authority.krlVersion,
      generatedAt: 0n,
      comment: '',
      sections: [{ kind: 'certificates' as const, caPublicKey: next.publicKeyBlob, serials: [1n] }],
    });
    const alone = async (state: CompanionState, signer: GeneratedKey) => ({
      ...state,
      user_authorities: [addition],
      krl: {
        version: state.krl.version,
        data: krlOfNext.toString('base64'),
        signature: await authority.signKrl(state.krl.version, krlOfNext, signer),
      },
    });
    await authority.pushDocument((state) => alone(state, next));
    const onlyNext = `${caLine(next)}\n`;
    await until(async () => (await readFile(paths.userAuthorities, 'utf8')) === onlyNext, 'the old CA gone');
    authority.acknowledgements.length = 0;
    await authority.pushDocument((state) => alone(state, authority.userCa));
    await problemOf(/not signed by a user CA/);
  });

  test('a host certificate for another key is refused', async () => {
    const before = await digest(paths.hostCertificate);
    const other = authority.hostCertificate(generateEd25519().publicKeyBlob);
    await authority.pushDocument((state) => ({ ...state, host_certificate: other }));
    await problemOf(/host certificate is not one for this machine/);
    expect(await digest(paths.hostCertificate)).toBe(before);
  });

  test('a restart while the CA is away works from the last state', async () => {
    await companion.stop();
    await rm(paths.revokedKeys);
    enrolment = { ...enrolment, serverUrl: 'http://localhost:1' };
    companion = startable();
    await companion.start();
    await companion.ready;
    expect(companion.status().version).toBe(authority.version.toString());
    expect(await readFile(paths.revokedKeys)).toEqual(authority.krl());
  });

  test('a state whose files could not be written is written when they can be, and survives a restart without the CA', async () => {
    await rm(paths.state);
    await mkdir(paths.state);
    const serial = authority.nextSerial();
    authority.revoked.push(serial);
    const version = authority.push({ krl: true });
    await problemOf(/EISDIR/);
    authority.acknowledgements.length = 0;
    await rm(paths.state, { recursive: true });
    await authority.waitForAcknowledgement(
      (found) => found.krl_version === version && found.problem === null,
    );

    await companion.stop();
    await rm(paths.revokedKeys);
    enrolment = { ...enrolment, serverUrl: 'http://localhost:1' };
    companion = startable();
    await companion.start();
    expect(companion.status().krlVersion).toBe(version);
    expect(await isRevoked(serial)).toBe(true);
    authority.revoked = [];
  });

  test('while the stream is refused the state is polled', async () => {
    await companion.stop();
    authority.streamIsDown = true;
    authority.targets = [web];
    const version = authority.push();
    companion = startable();
    await companion.start();
    await authority.waitForAcknowledgement((found) => found.version === version);
    expect(companion.status().version).toBe(version);
  });

  test('a second companion on the same folder is refused', async () => {
    await expect(startable().start()).rejects.toMatchObject({ code: 'in_use' });
  });

  test('a second enrolment is refused and says what to do', async () => {
    const again = enrol({
      paths,
      serverUrl: authority.url,
      token: authority.token('gateway', 'gateway'),
      sshKeygen: findPrograms().sshKeygen,
      kind: 'gateway',
    });
    await expect(again).rejects.toMatchObject({
      code: 'enrolment_refused',
      message: expect.stringContaining('sallyport gateway uninstall'),
    });
  });
});
