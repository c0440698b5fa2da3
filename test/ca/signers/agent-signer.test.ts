import { spawnSync } from 'node:child_process';
import { createHash, sign as signRaw } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { OpenSigner } from '../../../src/ca/signer.ts';
import { listIdentities } from '../../../src/ca/signers/agent-signer.ts';
import { signerLimits } from '../../../src/ca/signers/limited-signer.ts';
import { openSigner } from '../../../src/ca/signers/open-signer.ts';
import { signerSurroundings } from '../../../src/ca/signers/surroundings.ts';
import { generateEd25519 } from '../../../src/ssh/openssh-private-key.ts';
import { fingerprint, parsePublicKeyLine } from '../../../src/ssh/public-key.ts';
import { signWithKey, verifySignature } from '../../../src/ssh/signature.ts';
import { WireReader, WireWriter } from '../../../src/ssh/wire.ts';
import { temporaryFolder } from '../../interop/ssh-keygen.ts';
import {
  type Answer,
  addKey,
  describeWithSshAgent,
  type RunningAgent,
  startFakeAgent,
  startSshAgent,
} from './ssh-agent.ts';

const folder = temporaryFolder();
const bytes = Buffer.from('to be signed');

function open(wanted: string, socketPath: string, limits = signerLimits): Promise<OpenSigner> {
  return openSigner(
    `agent:${wanted}`,
    signerSurroundings('/none', { SALLYPORT_AGENT_SOCK: socketPath }),
    limits,
  );
}

describeWithSshAgent('a key in a real ssh-agent', () => {
  let agent: RunningAgent;
  beforeAll(async () => {
    agent = await startSshAgent(folder.path('real.sock'));
  });
  afterAll(() => agent.close());

  test.each([
    ['ssh-ed25519', ['ed25519']],
    ['ecdsa-sha2-nistp256', ['ecdsa', '-b', '256']],
    ['ecdsa-sha2-nistp384', ['ecdsa', '-b', '384']],
    ['ecdsa-sha2-nistp521', ['ecdsa', '-b', '521']],
    ['rsa-sha2-512', ['rsa', '-b', '3072']],
  ])('is found by its fingerprint among others and signs with %s', async (algorithm, type) => {
    const wanted = addKey(agent, folder.path(`key-${algorithm}`), ...type);
    const signer = await open(wanted, agent.socketPath);
    expect(signer.algorithm).toBe(algorithm);
    expect(fingerprint(signer.publicKey)).toBe(wanted);
    verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
    await signer.close();
  });

  test('may be at SSH_AUTH_SOCK, which SALLYPORT_AGENT_SOCK goes before', async () => {
    const wanted = addKey(agent, folder.path('key-auth-sock'), 'ed25519');
    const at = (environment: NodeJS.ProcessEnv) =>
      openSigner(`agent:${wanted}`, signerSurroundings('/none', environment));
    await (await at({ SSH_AUTH_SOCK: agent.socketPath })).close();
    await (await at({ SSH_AUTH_SOCK: '/none', SALLYPORT_AGENT_SOCK: agent.socketPath })).close();
    await expect(at({})).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('SALLYPORT_AGENT_SOCK'),
    });
  });

  test('that it does not hold is refused with the keys that it holds', async () => {
    const held = addKey(agent, folder.path('key-held'), 'ed25519');
    await expect(open(`SHA256:${'A'.repeat(43)}`, agent.socketPath)).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining(`${held} "sample"`),
    });
  });

  test('signs many at a time, each its own bytes', async () => {
    const wanted = addKey(agent, folder.path('key-many'), 'ed25519');
    const signer = await open(wanted, agent.socketPath);
    const signAndVerify = async (number: number) => {
      const own = Buffer.from(`number ${number}`);
      verifySignature({ publicKey: signer.publicKey, bytes: own, signature: await signer.sign(own) });
    };
    await Promise.all(Array.from({ length: 100 }, (_, number) => signAndVerify(number)));
  });

  test('signs again as soon as an agent that was away is back', async () => {
    const socketPath = folder.path('again.sock');
    let own = await startSshAgent(socketPath);
    const wanted = addKey(own, folder.path('key-again'), 'ed25519');
    const signer = await open(wanted, socketPath);
    await own.close();
    await expect(signer.sign(bytes)).rejects.toMatchObject({
      code: 'signer_failed',
      message: expect.stringMatching(/ENOENT|ECONNREFUSED/),
    });
    own = await startSshAgent(socketPath);
    try {
      await expect(signer.sign(bytes)).rejects.toMatchObject({ message: expect.stringContaining('refused') });
      const environment = { ...process.env, SSH_AUTH_SOCK: socketPath };
      expect(spawnSync('ssh-add', ['-q', folder.path('key-again')], { env: environment }).status).toBe(0);
      verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
    } finally {
      await own.close();
    }
  });
});

test.each(['', 'MD5:aa:bb', 'SHA256:short', `SHA256:${'A'.repeat(44)}`, 'sample', '/tmp/agent.sock'])(
  'a key is named by its SHA256 fingerprint, not by %j',
  async (wanted) => {
    await expect(open(wanted, '/none')).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('by fingerprint'),
    });
  },
);

describe('an agent that answers wrongly', () => {
  const key = generateEd25519();
  const wanted = fingerprint(key.publicKeyBlob);
  let agent: RunningAgent | undefined;
  afterEach(async () => {
    await agent?.close();
    agent = undefined;
  });

  const framed = (message: Buffer) => new WireWriter().string(message).bytes();
  const identities = (...blobs: Buffer[]) => {
    const writer = new WireWriter().u8(12).u32(blobs.length);
    for (const blob of blobs) writer.string(blob).string('c');
    return writer.bytes();
  };
  const signatureOver = (message: Buffer) => {
    const reader = new WireReader(message.subarray(1), 'signer_failed', 'request');
    reader.string();
    return signWithKey(key.privateKey, reader.string());
  };
  const signed = (message: Buffer) => new WireWriter().u8(14).string(signatureOver(message)).bytes();
  const listing: Answer = () => framed(identities(key.publicKeyBlob));
  const signing: Answer = (message) => framed(signed(message));

  /** Opens a signer on an agent with these answers. */
  async function openWith(list: Answer, sign: Answer): Promise<OpenSigner> {
    agent = await startFakeAgent(folder.path('fake.sock'), (message) =>
      message[0] === 11 ? list(message) : sign(message),
    );
    return await open(wanted, agent.socketPath);
  }

  test('(one that answers rightly is believed)', async () => {
    await (await openWith(listing, signing)).close();
  });

  test('(a reply may come in pieces, one byte after the other)', async () => {
    const whole = framed(identities(key.publicKeyBlob));
    expect(whole.length).toBeGreaterThan(50);
    const server = createServer(async (socket) => {
      for (const byte of whole) await new Promise((sent) => socket.write(Buffer.from([byte]), sent));
    }).listen(folder.path('slow.sock'));
    const found = await listIdentities(folder.path('slow.sock'), AbortSignal.timeout(10_000));
    expect(found.map(({ blob }) => blob)).toEqual([key.publicKeyBlob]);
    server.close();
  });

  const lists: [string, Answer, string][] = [
    ['ends the connection', () => undefined, 'ended the connection'],
    ['refuses', () => framed(Buffer.from([5])), 'refused'],
    ['announces a gigabyte', () => Buffer.from([0x40, 0, 0, 0, 12]), 'a reply of 1073741824 bytes'],
    ['announces nothing', () => Buffer.alloc(4), 'a reply of 0 bytes'],
    ['answers something else', () => framed(Buffer.from([6])), 'of kind 6'],
    [
      'announces more keys than it can hold',
      () => framed(new WireWriter().u8(12).u32(9999).bytes()),
      '9999 keys',
    ],
    ['announces more keys than it sends', () => framed(new WireWriter().u8(12).u32(2).bytes()), 'too early'],
    [
      'sends bytes after its keys',
      () => framed(Buffer.concat([identities(key.publicKeyBlob), Buffer.alloc(1)])),
      'after its end',
    ],
    [
      'sends more than its reply',
      () => Buffer.concat([framed(identities(key.publicKeyBlob)), Buffer.alloc(1)]),
      'more than its reply',
    ],
    ['holds the key twice', () => framed(identities(key.publicKeyBlob, key.publicKeyBlob)), '2 of the keys'],
    ['holds none', () => framed(identities()), 'There are: none'],
    [
      'calls another key by what would act on a terminal',
      () =>
        framed(
          new WireWriter()
            .u8(12)
            .u32(1)
            .string(generateEd25519().publicKeyBlob)
            .string('x\u001b[2J\u202ey')
            .bytes(),
        ),
      'x [2J y',
    ],
  ];
  test.each(lists)('when it %s as it lists its keys', async (_, list, problem) => {
    await expect(openWith(list, signing)).rejects.toMatchObject({
      message: expect.stringContaining(problem),
    });
  });

  const signs: [string, Answer, string][] = [
    ['ends the connection', () => undefined, 'ended the connection'],
    ['refuses', () => framed(Buffer.from([5])), 'refused'],
    [
      'sends bytes after its signature',
      (message) => framed(Buffer.concat([signed(message), Buffer.alloc(1)])),
      'after its end',
    ],
    ['sends an empty signature', () => framed(new WireWriter().u8(14).string('').bytes()), 'too early'],
    [
      'signs something else',
      () => framed(new WireWriter().u8(14).string(signWithKey(key.privateKey, bytes)).bytes()),
      'match',
    ],
    [
      'signs with another key',
      (message) =>
        framed(new WireWriter().u8(14).string(signWithKey(generateEd25519().privateKey, message)).bytes()),
      'match',
    ],
  ];
  test.each(signs)('when it %s as it signs the trial', async (_, sign, problem) => {
    await expect(openWith(listing, sign)).rejects.toMatchObject({
      message: expect.stringContaining(problem),
    });
  });

  test('when it does not answer in time', async () => {
    let isSlow = false;
    agent = await startFakeAgent(folder.path('hung.sock'), (message) => {
      if (message[0] === 11) return listing(message) ?? null;
      return isSlow ? null : (signing(message) ?? null);
    });
    const signer = await open(wanted, agent.socketPath, { ...signerLimits, deadlineMilliseconds: 20 });
    isSlow = true;
    await expect(signer.sign(bytes)).rejects.toMatchObject({
      code: 'signer_failed',
      message: expect.stringContaining('in time'),
    });
  });
});

describe('a security key in an agent', () => {
  const key = generateEd25519();
  const application = 'ssh:sallyport';
  const publicKey = new WireWriter()
    .string('sk-ssh-ed25519@openssh.com')
    .string(new WireReader(key.publicKeyBlob.subarray(15), 'key_malformed', 'key').string())
    .string(application)
    .bytes();

  /** What a security key gives (OpenSSH PROTOCOL.u2f): flags and a counter, signed with the message's hash. */
  function touch(message: Buffer, flags: number, counter: number): Buffer {
    const hash = (data: string | Buffer) => createHash('sha256').update(data).digest();
    const signedBytes = new WireWriter()
      .raw(hash(application))
      .u8(flags)
      .u32(counter)
      .raw(hash(message))
      .bytes();
    return new WireWriter()
      .string('sk-ssh-ed25519@openssh.com')
      .string(signRaw(null, signedBytes, key.privateKey))
      .u8(flags)
      .u32(counter)
      .bytes();
  }

  test.each([
    ['signs with its flags and counter when it is touched', 1, true],
    ['that nobody touched is refused', 0, false],
  ])('%s', async (_, flags, works) => {
    let counter = 41;
    const agent = await startFakeAgent(folder.path('sk.sock'), (message) => {
      if (message[0] === 11) {
        const list = new WireWriter().u8(12).u32(1).string(publicKey).string('').bytes();
        return new WireWriter().string(list).bytes();
      }
      const reader = new WireReader(message.subarray(1), 'signer_failed', 'request');
      expect(reader.string()).toEqual(publicKey);
      counter += 1;
      const reply = new WireWriter()
        .u8(14)
        .string(touch(reader.string(), flags, counter))
        .bytes();
      return new WireWriter().string(reply).bytes();
    });
    try {
      const opening = open(fingerprint(publicKey), agent.socketPath);
      if (!works) {
        await expect(opening).rejects.toMatchObject({ message: expect.stringContaining('touch') });
        return;
      }
      const signer = await opening;
      expect(signer.algorithm).toBe('sk-ssh-ed25519@openssh.com');
      verifySignature({ publicKey, bytes, signature: await signer.sign(bytes) });
    } finally {
      await agent.close();
    }
  });
});

test('an ML-DSA hybrid in an agent is no CA key: older sshd refuses every revocation list that names it', async () => {
  const vector = join(import.meta.dirname, '../../ssh/vectors/mldsa/key.pub');
  const { blob } = parsePublicKeyLine(await readFile(vector, 'utf8'));
  const list = new WireWriter().u8(12).u32(1).string(blob).string('').bytes();
  const agent = await startFakeAgent(folder.path('mldsa.sock'), () => new WireWriter().string(list).bytes());
  try {
    await expect(open(fingerprint(blob), agent.socketPath)).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('OpenSSH 10.5'),
    });
  } finally {
    await agent.close();
  }
});
