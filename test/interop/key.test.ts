import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isProgram } from '../../src/gateway/programs.ts';
import { listingLine, randomart } from '../../src/ssh/key-listing.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parsePublicKeyLine, publicKeyLine } from '../../src/ssh/public-key.ts';
import { readPublicKeyFile } from '../../src/ssh/read-key-file.ts';
import { codeOf } from '../ssh/refusal.ts';
import { keysOfEveryType, plainKey } from '../ssh/sample-keys.ts';
import { describeWithSshKeygen, sshKeygenOutput, temporaryFolder } from './ssh-keygen.ts';

const folder = temporaryFolder();

function generate(name: string, ...args: string[]): { line: string; privateKey: string } {
  const file = folder.path(name);
  sshKeygenOutput(['-q', '-N', '', '-C', `the ${name} key`, '-f', file, ...args]);
  return { line: readFileSync(`${file}.pub`, 'utf8'), privateKey: readFileSync(file, 'utf8') };
}

function newRsaKey(modulusLength: number): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength }).privateKey;
}

describeWithSshKeygen('keys and ssh-keygen', () => {
  test('a key that ssh-keygen made is read and written back unchanged', () => {
    const { line } = generate('plain', '-t', 'ed25519');
    const key = parsePublicKeyLine(line);
    expect(key.comment).toBe('the plain key');
    expect(`${publicKeyLine(key)}\n`).toBe(line);
  });

  const everyType = keysOfEveryType().map(({ type, blob }) => [type, blob] as const);
  const longRsa = ['ssh-rsa of 4,096 bits', plainKey(newRsaKey(4096)).blob] as const;

  test.each([...everyType, longRsa])(
    'listings of %s are those of ssh-keygen -l, -E md5 and -v',
    (type, blob) => {
      const file = folder.write(`listed-${type}`, `${publicKeyLine({ blob, comment: 'alice@laptop' })}\n`);
      const key = { blob, comment: 'alice@laptop' };
      expect(sshKeygenOutput(['-lv', '-f', file])).toBe(`${listingLine(key)}\n${randomart(blob)}\n`);
      expect(sshKeygenOutput(['-lv', '-E', 'md5', '-f', file])).toBe(
        `${listingLine(key, 'md5')}\n${randomart(blob, 'md5')}\n`,
      );
      const bare = folder.write(`bare-${type}`, `${publicKeyLine({ blob })}\n`);
      expect(sshKeygenOutput(['-l', '-f', bare])).toBe(`${listingLine({ blob, comment: '' })}\n`);
    },
  );

  test.each([
    ['ed25519', []],
    ['ecdsa', ['-b', '256']],
    ['ecdsa', ['-b', '384']],
    ['ecdsa', ['-b', '521']],
    ['rsa', ['-b', '3072']],
  ])('a public key of type %s %j is read in each format that ssh-keygen writes', async (type, args) => {
    const name = [type, ...args].join('');
    const { line } = generate(name, '-t', type, ...args);
    const { blob } = parsePublicKeyLine(line);
    // ssh-keygen has no PEM form for public Ed25519 keys.
    const formats =
      type === 'ed25519' ? ['RFC4716'] : ['RFC4716', 'PKCS8', ...(type === 'rsa' ? ['PEM'] : [])];
    for (const format of formats) {
      const text = sshKeygenOutput(['-e', '-m', format, '-f', folder.path(`${name}.pub`)]);
      expect((await readPublicKeyFile(Buffer.from(text))).blob.equals(blob)).toBe(true);
    }
    expect(await readPublicKeyFile(Buffer.from(line))).toEqual(parsePublicKeyLine(line));
  });

  // Comments of eight lengths in a row: every length of the padding.
  test.each(['', 'a', 'ab', 'abc', 'abcd', 'abcde', 'abcdef', 'abcdefg'])(
    'ssh-keygen reads our private key with the comment "%s"',
    (comment) => {
      const key = generateEd25519();
      const file = folder.write(`own${comment.length}`, key.openssh(comment));
      const line = publicKeyLine({ type: 'ssh-ed25519', blob: key.publicKeyBlob, comment });
      expect(sshKeygenOutput(['-y', '-f', file]).trim()).toBe(line);
    },
  );

  test.each([
    ['openssh', []],
    ['PEM', ['-m', 'PEM']],
    ['PKCS8', ['-m', 'PKCS8']],
  ])('[abuse 37] a private key in the format %s of ssh-keygen is refused as one', (format, args) => {
    const { privateKey } = generate(`private-${format}`, '-t', 'ecdsa', ...args);
    expect(codeOf(() => parsePublicKeyLine(privateKey))).toBe('key_is_private');
  });

  test.each([
    ['rsa', '1024'],
    ['rsa', '2048'],
    ['rsa', '3071'],
  ])('[abuse 38] a real %s key of %s bits is refused as weak', (type, bits) => {
    const { line } = generate(`${type}-${bits}`, '-t', type, '-b', bits);
    expect(codeOf(() => parsePublicKeyLine(line))).toBe('key_weak');
  });
});

const puttygen = '/usr/bin/puttygen';

describe.skipIf(!isProgram(puttygen))('keys and puttygen (needs putty-tools)', () => {
  function puttyKey(name: string, ...args: string[]): string {
    const file = folder.path(name);
    const made = ['-t', 'ecdsa', '-b', '384', '-C', 'the PuTTY key', '--new-passphrase', '/dev/null'];
    execFileSync(puttygen, ['-q', ...made, '-o', file, ...args], {
      env: { ...process.env, HOME: folder.path('.') },
    });
    return file;
  }

  test('a public key saved by PuTTY is read with its comment', async () => {
    const file = puttyKey('putty.ppk');
    const line = execFileSync(puttygen, ['-L', file], { encoding: 'utf8' });
    execFileSync(puttygen, [file, '-O', 'public', '-o', folder.path('putty.pub')]);
    const saved = readFileSync(folder.path('putty.pub'));
    expect(await readPublicKeyFile(saved)).toEqual(parsePublicKeyLine(line));
  });

  test.each(['2', '3'])(
    '[abuse 37] a PuTTY file of version %s holds a private key and is refused as one',
    async (version) => {
      const file = puttyKey(`private-${version}.ppk`, '--ppk-param', `version=${version}`);
      await expect(readPublicKeyFile(readFileSync(file))).rejects.toMatchObject({ code: 'key_is_private' });
      // The part before it is public, and sshpk reads that.
      const [publicPart = ''] = readFileSync(file, 'utf8').split('Private-Lines:');
      const { type, comment } = await readPublicKeyFile(Buffer.from(publicPart));
      expect([type, comment]).toEqual(['ecdsa-sha2-nistp384', 'the PuTTY key']);
    },
  );
});
