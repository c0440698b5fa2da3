/**
 * Private keys are made where they are used and stay there: everything that `sally` and a gateway send is noted on its
 * way to the server as it is served, and nothing of it, of the database and of the log holds one, in whatever form.
 */
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { narrowedPaths } from '../../src/cli/narrowed-paths.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { Browser } from '../../src/dev/tour/browser.ts';
import { enrol } from '../../src/gateway/enrol.ts';
import { companionPaths } from '../../src/gateway/paths.ts';
import { findPrograms, isProgram } from '../../src/gateway/programs.ts';
import { runProgram } from '../../src/gateway/run-program.ts';
import { createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import { Person } from '../cli/person.ts';
import { everythingStored } from '../database/everything-stored.ts';
import { startWholeSite, type WholeSite } from './whole-site.ts';

const canEnrol = isProgram('/usr/sbin/sshd') && isProgram('/usr/bin/curl');
let wire: Awaited<ReturnType<typeof openWire>>;
let site: WholeSite;
let folder: string;
const alice = new Person();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-keys-'));
  wire = await openWire();
  site = await startWholeSite({ publicPort: wire.port, parts: { clock: () => new Date() } });
  wire.leadTo(site.port);
});
afterAll(async () => {
  alice.remove();
  await site?.close();
  await wire?.close();
  await rm(folder, { recursive: true, force: true });
});

/** A proxy that keeps every byte of every request. */
async function openWire() {
  let to = 0;
  const sent: Buffer[] = [];
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const { method, url: path = '/', headers, rawHeaders } = incoming;
      const body = await buffer(incoming);
      sent.push(Buffer.from(`${method} ${path}\n${rawHeaders.join('\n')}\n`), body);
      const onward = send({ host: '127.0.0.1', port: to, method, path, headers });
      onward.on('response', (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      onward.on('error', () => outgoing.destroy());
      onward.end(body);
    })();
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sent,
    leadTo: (port: number) => {
      to = port;
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function logIn(): Promise<void> {
  const [provider] = site.providers;
  if (provider === undefined) throw new Error('no provider');
  const login = await alice.sally(['login', '--server', site.publicUrl.origin], {
    openBrowser: async (address) => {
      void provider.logIn(new Browser(), new URL(address), 'alice');
    },
  });
  expect(login).toMatchObject({ code: 0, stderr: expect.not.stringContaining('rror') });
}

/** The seed of an Ed25519 key, as OpenSSH writes it to a file (PROTOCOL.key). */
async function seedOf(keyFile: string): Promise<Buffer> {
  const text = await readFile(keyFile, 'latin1');
  const body = Buffer.from(text.replace(/-----[^-]*-----|\s/g, ''), 'base64');
  // The private half is the seed followed by the public key, in a string of 64 bytes.
  const at = body.lastIndexOf(Buffer.from([0, 0, 0, 64]));
  return body.subarray(at + 4, at + 36);
}

/** How the bytes could stand in a request or in a row. */
function forms(secret: Buffer): Buffer[] {
  const base64 = [0, 1, 2].map((shift) =>
    // Within longer base64 a secret begins at any of three places; its ends depend on its neighbours.
    Buffer.concat([Buffer.alloc(shift), secret])
      .toString('base64')
      .slice(4, -4),
  );
  const raw = secret.toString('latin1');
  // The last as bytes of a row look in what everythingStored() gives.
  const texts = [
    secret.toString('hex'),
    secret.toString('base64url'),
    ...base64,
    raw,
    JSON.stringify(raw).slice(1, -1),
  ];
  return [secret, ...texts.map((text) => Buffer.from(text))];
}

const found = (where: Buffer, secret: Buffer) => forms(secret).some((form) => where.includes(form));

test('[seeds 46] no private key leaves the machine that it was made on, and the server keeps none', async () => {
  await logIn();
  const narrowed = narrowedPaths(alice.paths, { project: 'shop', environment: 'production' });
  await alice.sally(['cert', 'ensure', '--force']);
  await alice.sally(['cert', 'ensure', '--environment', 'shop/production']);
  await alice.sally(['cert', 'show']);
  const secrets = new Map<string, Buffer>();
  const publicKeys: Buffer[] = [];
  for (const { pairs } of [alice.paths, narrowed]) {
    for (const id of await readdir(pairs).catch(() => [])) {
      const keyFile = join(pairs, id, 'id_ed25519');
      secrets.set(keyFile, await seedOf(keyFile));
      const { stdout } = await runProgram('/usr/bin/ssh-keygen', ['-y', '-f', keyFile]);
      publicKeys.push(Buffer.from(stdout.split(' ')[1] ?? '', 'base64').subarray(-32));
    }
  }
  expect(secrets.size).toBeGreaterThanOrEqual(2);
  const session = JSON.parse(await readFile(alice.paths.session, 'utf8'));
  secrets.set('dpop key', Buffer.from(session.dpop_key.d, 'base64url'));
  if (canEnrol) secrets.set('host key', await enrolledHostKey());

  const sent = Buffer.concat(wire.sent);
  const stored = Buffer.from(await everythingStored(site.database));
  const log = Buffer.from(site.log.join(''));
  for (const [what, secret] of secrets) {
    expect([what, secret.length]).toEqual([what, 32]);
    expect([what, found(sent, secret), found(stored, secret), found(log, secret)]).toEqual([
      what,
      false,
      false,
      false,
    ]);
  }
  for (const place of [sent, stored, log]) expect(place.includes('PRIVATE KEY')).toBe(false);
  // The same search does find what was sent and stored: the public halves.
  for (const publicKey of publicKeys) {
    expect([found(sent, publicKey), found(stored, publicKey)]).toEqual([true, true]);
  }
});

/** A gateway enrols with its own host key. @returns the key's seed */
async function enrolledHostKey(): Promise<Buffer> {
  const token = await inTransaction(site.database.db, (tx) =>
    createEnrolmentToken(tx, site.shop.gatewayId, { now: new Date(), lifetimeSeconds: 600 }),
  );
  const paths = companionPaths(join(folder, 'state'), join(folder, 'run'));
  const { sshKeygen } = findPrograms();
  await enrol({ paths, serverUrl: site.publicUrl.origin, token, sshKeygen, kind: 'gateway' });
  return await seedOf(paths.hostKey);
}

test('[seeds 46] a private key that is sent all the same is refused, and neither stored nor logged', async () => {
  const [pair = ''] = await readdir(alice.paths.pairs);
  const keyFile = join(alice.paths.pairs, pair, 'id_ed25519');
  const secret = await seedOf(keyFile);
  const pem = (key: Buffer) => {
    const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), key]);
    return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({
      format: 'pem',
      type: 'pkcs8',
    });
  };
  for (const public_key of [await readFile(keyFile, 'utf8'), String(pem(secret))]) {
    const reply = await fetch(new URL('/v1/companions/enrol', site.publicUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: 'x'.repeat(40), host_public_key: public_key, signature: 'x'.repeat(64) }),
    });
    expect([reply.status, ((await reply.json()) as { code: string }).code]).toEqual([422, 'key_is_private']);
  }
  const stored = Buffer.from(await everythingStored(site.database));
  const log = Buffer.from(site.log.join(''));
  for (const place of [stored, log]) expect(found(place, secret)).toBe(false);
  for (const place of [stored, log]) expect(place.includes('PRIVATE KEY')).toBe(false);
});
