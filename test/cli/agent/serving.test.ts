/**
 * What the agent offers and signs, by the protocol itself and by the real ssh-add. Of [abuse 129] here: an agent that is
 * passed on offers nothing, but by the way and to the place that the person has named.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, lstatSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { generateEd25519 } from '../../../src/ssh/openssh-private-key.ts';
import { parseCertificate } from '../../../src/ssh/parse-certificate.ts';
import { publicKeyLine } from '../../../src/ssh/public-key.ts';
import { verifySignature } from '../../../src/ssh/signature.ts';
import { WireWriter } from '../../../src/ssh/wire.ts';
import { runAsync } from '../person.ts';
import { account } from '../server-double.ts';
import { AgentWorld, loginData } from './agent-world.ts';

const general = `${account},mfa:${account}`;

let world: AgentWorld;
beforeEach(async () => {
  world = new AgentWorld();
  await world.open();
});
afterEach(() => world.close());

describe('a program of this machine', () => {
  test('is offered one certificate that is good everywhere, made when it is asked for and kept', async () => {
    await world.startAgent();
    expect(world.server.issued).toBe(1); // that of the files
    const clients = await Promise.all(Array.from({ length: 8 }, () => world.client()));
    const lists = await Promise.all(clients.map((client) => client.offered()));
    expect(lists).toEqual(Array.from({ length: 8 }, () => [general]));
    expect(world.server.issued).toBe(2);
    for (const client of clients) client.close();
    expect((await world.sshAdd(['-l'])).stdout).toMatch(
      /^256 SHA256:\S+ alice@demo\.example \(ED25519-CERT\)\n$/,
    );
  });

  test('has logins signed and nothing else', async () => {
    await world.startAgent();
    const client = await world.client();
    const [key = Buffer.alloc(0)] = await client.list();
    const bound = { sessionId: randomBytes(32), host: world.host('web') };
    const data = loginData(key, bound);
    const signature = await client.sign(key, data);
    const { publicKey } = parseCertificate(key);
    verifySignature({ publicKey, bytes: data, signature: signature ?? Buffer.alloc(0) });

    const sshsig = new WireWriter()
      .raw(Buffer.from('SSHSIG'))
      .string('file')
      .string('')
      .string('sha512')
      .bytes();
    for (const other of [
      sshsig,
      Buffer.alloc(0),
      Buffer.concat([data, Buffer.of(0)]),
      loginData(generateEd25519().publicKeyBlob, bound),
      loginData(publicKey, bound),
    ]) {
      expect(await client.sign(key, other)).toBeUndefined();
    }
    expect(await client.sign(publicKey, data)).toBeUndefined();
    client.close();
  });

  test('is offered nothing by the agent of somebody who has logged out, though the server be away', async () => {
    await world.startAgent();
    const client = await world.client();
    expect(await client.offered()).toEqual([general]);
    await world.server.stop();
    expect(await client.offered()).toEqual([general]);
    await world.person.sally(['logout']);
    expect(await client.offered()).toEqual([]);
    client.close();
    await world.server.start();
  });

  test('is offered nothing once the server has said that the session is over', async () => {
    await world.startAgent();
    const [before, after] = [await world.client(), await world.client()];
    const [key = Buffer.alloc(0)] = await before.list();
    world.server.faults.sessionOver = true;
    await after.bind(world.host('web'));
    expect(await after.list()).toEqual([]);
    const data = loginData(key, { sessionId: randomBytes(32), host: world.host('web') });
    expect(await before.sign(key, data)).toBeUndefined();
    const asked = world.server.seen.length;
    expect(await before.list()).toEqual([]);
    expect(world.server.seen).toHaveLength(asked);
  });

  test('is given a new certificate when the old one is about to end, and none that is over', async () => {
    let ahead = 0;
    await world.startAgent([], {}, () => new Date(Date.now() + ahead * 1000));
    const client = await world.client();
    const [first = Buffer.alloc(0)] = await client.list();
    ahead = 3600 - 500;
    const [second = Buffer.alloc(0)] = await client.list();
    expect(second.equals(first)).toBe(false);
    await world.server.stop();
    ahead = 3600 + 20;
    expect(await client.list()).toEqual([]);
    expect(
      await client.sign(second, loginData(second, { sessionId: randomBytes(32), host: world.host('web') })),
    ).toBe(undefined);
    await world.server.start();
  });
});

describe('a client that has proven which machine it talks to', () => {
  test('is offered a certificate that is good there alone, for minutes', async () => {
    await world.startAgent();
    const [web, db] = [world.host('web'), world.host('db')];
    const [atWeb, atDb] = [await world.client(), await world.client()];
    const toWeb = await atWeb.bind(web);
    expect(toWeb.isTaken).toBe(true);
    await atDb.bind(db);
    expect(await atWeb.offered()).toEqual(['at:web']);
    expect(await atDb.offered()).toEqual(['at:db']);
    const [forWeb = Buffer.alloc(0)] = await atWeb.list();
    const { validBefore } = parseCertificate(forWeb);
    expect(Number(validBefore) - Date.now() / 1000).toBeLessThanOrEqual(300);

    expect(await atWeb.sign(forWeb, loginData(forWeb, toWeb))).toBeDefined();
    expect(await atWeb.sign(forWeb, loginData(forWeb, toWeb, { isHostBound: false }))).toBeDefined();
    // Another session, another host in the data, another machine's client, or nobody's.
    expect(
      await atWeb.sign(forWeb, loginData(forWeb, { ...toWeb, sessionId: randomBytes(32) })),
    ).toBeUndefined();
    expect(await atWeb.sign(forWeb, loginData(forWeb, { ...toWeb, host: db }))).toBeUndefined();
    expect(await atDb.sign(forWeb, loginData(forWeb, toWeb))).toBeUndefined();
    expect(await (await world.client()).sign(forWeb, loginData(forWeb, toWeb))).toBeUndefined();
  });

  test('is offered nothing for a machine that is not ours', async () => {
    await world.startAgent();
    const plain = generateEd25519();
    const others = [
      { key: plain, shown: plain.publicKeyBlob },
      world.host('web', { ca: generateEd25519() }),
      world.host('web', { endsIn: -60 }),
      world.host('web', { enrolled: false }),
    ];
    const asked = world.server.count('/v1/certificates');
    for (const host of others) {
      const client = await world.client();
      expect((await client.bind(host)).isTaken).toBe(true);
      expect(await client.list()).toEqual([]);
      client.close();
    }
    // The server hears of the one alone that shows a certificate of its CA.
    expect(world.server.count('/v1/certificates')).toBe(asked + 1);
  });

  test('is offered nothing after a binding that is not true', async () => {
    await world.startAgent();
    const web = world.host('web');
    const client = await world.client();
    expect((await client.bind(web, { signer: generateEd25519() })).isTaken).toBe(false);
    expect(await client.list()).toEqual([]);
    expect((await client.bind(web)).isTaken).toBe(false);
    expect(await client.list()).toEqual([]);

    const twice = await world.client();
    const { sessionId } = await twice.bind(web);
    expect((await twice.bind(world.host('db'), { sessionId })).isTaken).toBe(false);
    expect(await twice.list()).toEqual([]);
  });

  test('has to do with what is good everywhere while the server is away', async () => {
    await world.startAgent();
    const here = await world.client();
    expect(await here.offered()).toEqual([general]);
    await world.server.stop();
    const client = await world.client();
    const bound = await client.bind(world.host('web'));
    const [key = Buffer.alloc(0)] = await client.list();
    expect(parseCertificate(key).principals.join()).toBe(general);
    expect(await client.sign(key, loginData(key, bound))).toBeDefined();
    await world.server.start();
  });
});

describe('an agent that is passed on', () => {
  test('[abuse 129] offers nothing of ours, whatever the other machine says of itself', async () => {
    await world.startAgent();
    const [gw, web] = [world.host('gw'), world.host('web')];
    const local = await world.client();
    const bound = await local.bind(web);
    const [forWeb = Buffer.alloc(0)] = await local.list();

    const remote = await world.client();
    await remote.bind(gw, { isForwarding: true });
    expect(await remote.list()).toEqual([]);
    const onward = await remote.bind(web);
    expect(onward.isTaken).toBe(true);
    expect(await remote.list()).toEqual([]);
    expect(await remote.sign(forWeb, loginData(forWeb, onward))).toBeUndefined();
    expect(await remote.sign(forWeb, loginData(forWeb, bound))).toBeUndefined();
    // Nor may it change anything.
    for (const message of [Buffer.of(19), new WireWriter().u8(22).string('x').bytes()]) {
      expect((await remote.ask(message))[0]).toBe(5);
    }
    expect(await local.offered()).toEqual(['at:web']);
  });

  test('[abuse 129] may be used by the way and to the place that the person has named, and no other', async () => {
    await world.startAgent(['--forward', 'gw>web']);
    const [gw, web, db] = [world.host('gw'), world.host('web'), world.host('db')];
    const through = async (...hosts: (typeof gw)[]) => {
      const client = await world.client();
      for (const host of hosts.slice(0, -1)) await client.bind(host, { isForwarding: true });
      const last = hosts.at(-1) ?? gw;
      const bound = await client.bind(last);
      const [key] = await client.list();
      const isSigned = key !== undefined && (await client.sign(key, loginData(key, bound))) !== undefined;
      client.close();
      return { principals: key && parseCertificate(key).principals.join(), isSigned };
    };
    const nothing = { principals: undefined, isSigned: false };
    expect(await through(gw, web)).toEqual({ principals: 'at:web', isSigned: true });
    expect(await through(gw, db)).toEqual(nothing);
    expect(await through(web, gw)).toEqual(nothing);
    expect(await through(gw, web, db)).toEqual(nothing);
    expect(await through(db, gw, web)).toEqual(nothing);
    expect(await through(world.host('gw', { ca: generateEd25519() }), web)).toEqual(nothing);
    expect(await through(gw, world.host('web', { ca: generateEd25519() }))).toEqual(nothing);
    // A binding for a login is the last one.
    const client = await world.client();
    await client.bind(gw);
    expect((await client.bind(web)).isTaken).toBe(false);
    expect(await client.list()).toEqual([]);
  });
});

describe('ssh-add', () => {
  test('takes one out, everything, and locks', async () => {
    await world.startAgent();
    const line = (await world.sshAdd(['-L'])).stdout;
    writeFileSync(`${world.person.home}/general.pub`, line);
    expect((await world.sshAdd(['-d', `${world.person.home}/general.pub`])).code).toBe(0);
    expect((await world.sshAdd(['-l'])).stdout).toBe('The agent has no identities.\n');

    await world.stopAgent();
    await world.startAgent();
    const askpass = `${world.person.home}/askpass`;
    writeFileSync(askpass, '#!/bin/sh\necho "$PASSPHRASE"\n', { mode: 0o700 });
    const withPassphrase = (PASSPHRASE: string) => ({
      SSH_ASKPASS: askpass,
      SSH_ASKPASS_REQUIRE: 'force',
      PASSPHRASE,
    });
    expect((await world.sshAdd(['-x'], withPassphrase('good'))).code).toBe(0);
    expect((await world.sshAdd(['-l'])).stdout).toBe('The agent has no identities.\n');
    const client = await world.client();
    await client.bind(world.host('web'));
    expect(await client.list()).toEqual([]);
    expect((await world.sshAdd(['-X'], withPassphrase('bad'))).code).not.toBe(0);
    expect((await world.sshAdd(['-X'], withPassphrase('good'))).code).toBe(0);
    expect((await world.sshAdd(['-l'])).stdout).toContain('ED25519-CERT');
    expect(await client.offered()).toEqual(['at:web']);

    expect((await world.sshAdd(['-D'])).code).toBe(0);
    expect((await world.sshAdd(['-l'])).stdout).toBe('The agent has no identities.\n');
    expect(await client.list()).toEqual([]);
  });

  test('cannot add to it, and finds its keys by a test signature refused', async () => {
    await world.startAgent();
    const { identity } = world.person.paths;
    const [, key = ''] = /IdentityFile "(.*)"/.exec(world.person.identity()) ?? [];
    expect(identity).toBeDefined();
    expect((await world.sshAdd(['-q', key])).code).not.toBe(0);
    const client = await world.client();
    expect(await client.offered()).toEqual([general]);
    // ssh-add -T signs something that is no login.
    writeFileSync(`${world.person.home}/general.pub`, (await world.sshAdd(['-L'])).stdout);
    expect((await world.sshAdd(['-T', `${world.person.home}/general.pub`])).code).not.toBe(0);
  });
});

describe('with another agent behind it', () => {
  let other: ChildProcess;
  let otherSocket: string;
  beforeEach(async () => {
    otherSocket = `${world.person.home}/other.sock`;
    other = spawn('ssh-agent', ['-D', '-a', otherSocket], { stdio: 'ignore' });
    await vi.waitFor(() => expect(existsSync(otherSocket)).toBe(true));
  });
  afterEach(async () => {
    other.kill();
    await once(other, 'exit');
  });

  test('its keys are passed through, but not to our machines, and are added where they belong', async () => {
    await world.startAgent([`--with-agent=${otherSocket}`]);
    const key = `${world.person.home}/own-key`;
    await runAsync('ssh-keygen', ['-q', '-t', 'rsa', '-b', '3072', '-N', '', '-C', 'mine', '-f', key]);
    expect((await world.sshAdd(['-q', key])).code).toBe(0);
    expect((await world.sshAdd(['-l'])).stdout).toMatch(/CERT\)\n3072 \S+ mine \(RSA\)\n$/);
    expect((await world.sshAdd(['-l'], { SSH_AUTH_SOCK: otherSocket })).stdout).toMatch(/^3072 \S+ mine/);
    // With the flags of rsa-sha2-512, which the other agent reads.
    expect((await world.sshAdd(['-T', `${key}.pub`])).code).toBe(0);

    const client = await world.client();
    await client.bind(world.host('web'));
    expect(await client.offered()).toEqual(['at:web']);
    expect((await world.sshAdd(['-q', '-d', key])).code).toBe(0);
    expect((await world.sshAdd(['-l'], { SSH_AUTH_SOCK: otherSocket })).code).toBe(1);
  });

  test('it hears of the bindings, so that its own limits hold', async () => {
    await world.startAgent([`--with-agent=${otherSocket}`]);
    const { home } = world.person;
    await runAsync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'mine', '-f', `${home}/own-key`]);
    const elsewhere = world.host('web', { ca: generateEd25519() });
    const github = { key: elsewhere.key, shown: elsewhere.key.publicKeyBlob };
    const line = publicKeyLine({ type: 'ssh-ed25519', blob: github.shown });
    writeFileSync(`${home}/known-hosts`, `github.example ${line}\n`);
    const limits = ['-q', '-H', `${home}/known-hosts`, '-h', 'github.example'];
    expect((await world.sshAdd([...limits, `${home}/own-key`])).code).toBe(0);
    const [there, elsewhereToo, passedOn] = [
      await world.client(),
      await world.client(),
      await world.client(),
    ];
    await there.bind(github);
    expect(await there.list()).toHaveLength(1);
    const stranger = generateEd25519();
    await elsewhereToo.bind({ key: stranger, shown: stranger.publicKeyBlob });
    expect(await elsewhereToo.list()).toEqual([]);
    await passedOn.bind(github, { isForwarding: true });
    expect(await passedOn.list()).toEqual([]);
  });

  test('that is away takes nothing from ours; without a word none is asked', async () => {
    await world.startAgent(['--with-agent=/nonexistent']);
    expect((await world.sshAdd(['-l'])).stdout).toContain('ED25519-CERT');
    await world.stopAgent();
    await world.startAgent([], { forPrograms: { ...process.env, SSH_AUTH_SOCK: otherSocket } });
    const key = `${world.person.home}/own-key`;
    await runAsync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    await world.sshAdd(['-q', key], { SSH_AUTH_SOCK: otherSocket });
    expect((await world.sshAdd(['-l'])).stdout.trim().split('\n')).toHaveLength(1);
  });
});

describe('with -c', () => {
  test('each use is asked about, by SSH_ASKPASS, and a no is a no', async () => {
    const { home } = world.person;
    const asked = `${home}/asked`;
    const script = `#!/bin/sh\necho "$SSH_ASKPASS_PROMPT $1" >> ${asked}\ntest -e ${home}/yes\n`;
    writeFileSync(`${home}/askpass`, script, { mode: 0o700 });
    await world.startAgent(['-c'], { forPrograms: { ...process.env, SSH_ASKPASS: `${home}/askpass` } });
    const client = await world.client();
    const bound = await client.bind(world.host('web'));
    const [key = Buffer.alloc(0)] = await client.list();
    const data = loginData(key, bound, { user: 'app\n\x1b[31m' });
    expect(await client.sign(key, data)).toBeUndefined();
    writeFileSync(`${home}/yes`, '');
    expect(await client.sign(key, data)).toBeDefined();
    const question = `confirm Log in as app???31m at web with the certificate of ${account}?`;
    expect(readFileSync(asked, 'utf8')).toBe(`${question}\n${question}\n`);
  });

  test('is refused where nobody could be asked', async () => {
    const refused = await world.person.sally(['agent', 'start', '--confirm']);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('set SSH_ASKPASS') });
  });
});

describe('requests that are not understood', () => {
  test('are refused, and too long ones end the connection', async () => {
    await world.startAgent();
    const client = await world.client();
    const extension = (name: string) => new WireWriter().u8(27).string(name).bytes();
    for (const message of [
      Buffer.of(0),
      Buffer.of(1),
      Buffer.of(11, 0),
      Buffer.of(13),
      Buffer.of(255, 1, 2),
      extension('nobody@example.com'),
      new WireWriter().u8(27).string('session-bind@openssh.com').string('x').bytes(),
    ]) {
      expect((await client.ask(message)).subarray(0, 1)).toEqual(Buffer.of(5));
    }
    expect((await client.ask(extension('query'))).toString()).toContain('session-bind@openssh.com');
    expect(await client.offered()).toEqual([general]);
    await expect(client.ask(Buffer.alloc(256 * 1024 + 1))).rejects.toThrow('does not answer');
    await expect(client.ask(Buffer.alloc(0))).rejects.toThrow();
  });
});

describe('its socket', () => {
  test('is for this user alone, and is not made where a link leads', async () => {
    const elsewhere = `${world.person.home}/elsewhere`;
    symlinkSync(elsewhere, world.socket);
    const refused = await world.person.sally(['agent', 'start']);
    expect(refused).toMatchObject({ code: 6, stderr: expect.stringContaining('is not a socket of yours') });
    rmSync(world.socket);

    const umask = process.umask(0);
    await world.startAgent().finally(() => process.umask(umask));
    expect(lstatSync(world.socket).mode & 0o777).toBe(0o600);
    expect(lstatSync(world.person.paths.folder).mode & 0o777).toBe(0o700);
    const second = await world.person.sally(['agent', 'start']);
    expect(second).toMatchObject({
      code: 6,
      stderr: 'sally: sally agent runs already. Look with: sally agent status\n',
    });
  });

  test('that a killed agent has left is replaced', async () => {
    await world.startAgent();
    await world.stopAgent();
    const { createServer } = await import('node:net');
    const left = createServer();
    await new Promise<void>((resolve) => left.listen(`${world.socket}.x`, resolve));
    const { linkSync } = await import('node:fs');
    linkSync(`${world.socket}.x`, world.socket);
    await new Promise((resolve) => left.close(resolve));
    await world.startAgent();
    expect((await world.sshAdd(['-l'])).code).toBe(0);
  });
});
