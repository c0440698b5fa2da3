import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CertificateAuthority, createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { createKeyFile } from '../../src/ca/signers/key-file.ts';
import { openSigner } from '../../src/ca/signers/open-signer.ts';
import { signerSurroundings } from '../../src/ca/signers/surroundings.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { certificatesOf, domain, requestFor, sampleAuthority, startTime } from './sample-authority.ts';

describe.skipIf(!hasPostgres)('a server killed between commit and signature', () => {
  let folder: string;
  let database: FreshDatabase;
  let authority: CertificateAuthority;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-kill-'));
    for (const name of ['user.pem', 'host.pem', 'hop.pem']) await createKeyFile(join(folder, name));
    database = await freshDatabase();
    authority = await restarted();
  });
  afterAll(async () => {
    await database.close();
    await rm(folder, { recursive: true });
  });

  async function restarted(now = startTime): Promise<CertificateAuthority> {
    const surroundings = signerSurroundings(folder, {});
    return await createCertificateAuthority({
      database,
      openSigner: (uri) => openSigner(uri, surroundings),
      firstSigners: { user: 'file:user.pem', host: 'file:host.pem', hop: 'file:hop.pem' },
      domain,
      clock: () => now,
    });
  }

  test('[abuse 18] [abuse 133] leaves a record; the request sent again gets its certificate, others a new serial', async () => {
    const { person } = await sampleAuthority(database, {}, authority);
    const { sessionId } = await person('alice');
    const request = await requestFor(authority, sessionId);
    const input = { keysFolder: folder, url: database.url, domain, now: startTime, sessionId, request };
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('./killed-while-signing.ts', import.meta.url)), JSON.stringify(input)],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    expect(await certificatesOf(database, sessionId)).toBe(1);

    const after = await restarted();
    const reply = await after.issueUserCertificate({ sessionId, request });
    expect(await certificatesOf(database, sessionId)).toBe(1);
    const { toBeSigned } = parseCertificateLine(reply.certificate);
    const row = await database.db
      .selectFrom('certificates')
      .select(['serial', 'to_be_signed'])
      .where('session_id', '=', sessionId)
      .executeTakeFirstOrThrow();
    expect(row).toEqual({ serial: reply.serial, to_be_signed: toBeSigned });

    const next = await after.issueUserCertificate({ sessionId, request: await requestFor(after, sessionId) });
    expect(BigInt(next.serial)).toBeGreaterThan(BigInt(reply.serial));
  });
});
