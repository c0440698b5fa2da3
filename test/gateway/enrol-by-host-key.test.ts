/** A machine that brings its own host key, against the real server. The server's side is test/http/enrol-by-key.test.ts. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { enrol } from '../../src/gateway/enrol.ts';
import { readEnrolment } from '../../src/gateway/enrolment.ts';
import { ensureHostKey } from '../../src/gateway/host-key.ts';
import { companionPaths } from '../../src/gateway/paths.ts';
import { isProgram } from '../../src/gateway/programs.ts';
import { registerFingerprint } from '../../src/inventory/enrolment-by-key.ts';
import { fingerprint, parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { startTestServer, type TestServer } from '../http/test-server.ts';
import { freePort } from './ssh-client.ts';

const sshKeygen = '/usr/bin/ssh-keygen';
const hasSsh = isProgram(sshKeygen);
let server: TestServer;
let serverUrl: string;
let folder: string;
let hostKey: string;

beforeAll(async () => {
  const port = await freePort();
  serverUrl = `http://localhost:${port}`;
  server = await startTestServer({ publicUrl: serverUrl });
  await server.app.listen({ host: '127.0.0.1', port });
  folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  hostKey = join(await mkdtemp(join(folder, 'm-')), 'ssh_host_ed25519_key');
  spawnSync(sshKeygen, ['-q', '-t', 'ed25519', '-N', '', '-f', hostKey]);
});

const options = (kind: 'gateway' | 'host' = 'gateway') => ({
  paths: companionPaths(join(hostKey, '../state'), join(folder, 'run')),
  serverUrl,
  hostKey,
  name: 'gate',
  sshKeygen,
  kind,
});

describe.skipIf(!hasSsh)('enrolling by host key (needs openssh-client)', () => {
  test('a key that nobody registered is refused, and the person is told what an operator has to do', async () => {
    await expect(enrol(options())).rejects.toMatchObject({
      code: 'enrolment_refused',
      message: expect.stringContaining('sallyport enrolment-fingerprint NAME SHA256:'),
    });
    expect(await readEnrolment(options().paths.enrolment)).toBeUndefined();
  });

  test('the registered key enrols its machine and goes on as its host key, without a copy', async () => {
    const { blob } = parsePublicKeyLine(await readFile(`${hostKey}.pub`, 'utf8'));
    await inTransaction(server.database.db, (tx) =>
      registerFingerprint(tx, server.shop.gatewayId, fingerprint(blob)),
    );
    const enrolled = await enrol(options());
    expect(enrolled).toMatchObject({ name: 'gate', kind: 'gateway', hostKey });
    const { paths } = options();
    expect(existsSync(paths.hostKey)).toBe(false);
    const line = await ensureHostKey(paths.stateFolder, hostKey, sshKeygen);
    expect(parsePublicKeyLine(line).blob).toEqual(blob);
    const { credential } = enrolled;
    const reply = await server.call('GET', '/v1/companions/state', { credential });
    expect(reply.statusCode).toBe(200);
  });

  test('a machine whose own key is gone does not get another in its place', async () => {
    const { paths } = options();
    await expect(ensureHostKey(paths.stateFolder, `${hostKey}.gone`, sshKeygen)).rejects.toMatchObject({
      code: 'file_refused',
    });
    expect(existsSync(`${hostKey}.gone`)).toBe(false);
  });
});
