import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CertificateReply } from '../../src/api/certificates.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import type { UserCertificateRequest } from '../../src/ca/issue-user-certificate.ts';
import { createKeyFile } from '../../src/ca/signers/key-file.ts';
import { openSigner } from '../../src/ca/signers/open-signer.ts';
import { signerSurroundings } from '../../src/ca/signers/surroundings.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import {
  certificatesOf,
  domain,
  requestFor,
  type SampleAuthority,
  sampleAuthority,
  startTime,
} from './sample-authority.ts';

const names = ['ann', 'ben', 'cy', 'dee', 'eve', 'fay', 'gus', 'hal'];

describe.skipIf(!hasPostgres)('a server that is killed', () => {
  let folder: string;
  let database: FreshDatabase;
  let authority: CertificateAuthority;
  let sample: SampleAuthority;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-kill-'));
    for (const name of ['user.pem', 'host.pem', 'hop.pem']) await createKeyFile(join(folder, name));
    database = await freshDatabase();
    authority = await restarted();
    sample = await sampleAuthority(database, {}, authority);
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

  test('[abuse 18] [abuse 133] between commit and signature leaves a record; the request sent again gets its certificate, others a new serial', async () => {
    const { sessionId } = await sample.person('alice');
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

  test('[abuse 18] by SIGKILL, ten times in two processes at once, has given no serial twice and nothing unrecorded', async () => {
    const people = await Promise.all(names.map((name) => sample.person(name)));
    const requests = new Map<string, UserCertificateRequest>();
    const replies = new Map<string, CertificateReply[]>();

    /** Reads so many lines, and kills it then: whatever it is doing. */
    async function server(lines: number): Promise<void> {
      const input = {
        keysFolder: folder,
        url: database.url,
        domain,
        now: startTime,
        sessionIds: people.map(({ sessionId }) => sessionId),
      };
      const child = spawn(
        process.execPath,
        [fileURLToPath(new URL('./killed-server.ts', import.meta.url)), JSON.stringify(input)],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const exited = once(child, 'exit');
      let left = lines;
      for await (const line of createInterface({ input: child.stdout })) {
        const said = JSON.parse(line);
        if (said.request) requests.set(said.request.request_id, said);
        else replies.set(said.requestId, [...(replies.get(said.requestId) ?? []), said.reply]);
        left -= 1;
        if (left === 0) child.kill('SIGKILL');
      }
      expect(await exited).toEqual([null, 'SIGKILL']);
    }
    const lifetimes = [1, 9, 23, 47, 80];
    for (const lines of lifetimes) await Promise.all([server(lines), server(lines + 7)]);

    expect(replies.size).toBeGreaterThan(50);
    // Lost or not, the same request has the same certificate.
    for (const [requestId, asked] of requests) {
      const reply = await authority.issueUserCertificate(asked);
      for (const earlier of replies.get(requestId) ?? []) expect(reply).toEqual(earlier);
    }
    const rows = await database.db
      .selectFrom('certificates')
      .select('request_id')
      .where(
        'session_id',
        'in',
        people.map(({ sessionId }) => sessionId),
      )
      .execute();
    expect(rows.map((row) => row.request_id).toSorted()).toEqual([...requests.keys()].toSorted());
    const serials = [...replies.values()].flat().map(({ serial }) => serial);
    expect(new Set(serials).size).toBe(serials.length);
  });
});
