import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { fingerprint, parsePublicKeyLine, publicKeyLine } from '../../src/ssh/public-key.ts';
import { codeOf } from '../ssh/refusal.ts';
import { describeWithSshKeygen, sshKeygenOutput, temporaryFolder } from './ssh-keygen.ts';

const folder = temporaryFolder();

function generate(name: string, ...args: string[]): { line: string; privateKey: string } {
  const file = folder.path(name);
  sshKeygenOutput(['-q', '-N', '', '-C', `the ${name} key`, '-f', file, ...args]);
  return { line: readFileSync(`${file}.pub`, 'utf8'), privateKey: readFileSync(file, 'utf8') };
}

describeWithSshKeygen('keys and ssh-keygen', () => {
  test('a key that ssh-keygen made is read and written back unchanged', () => {
    const { line } = generate('plain', '-t', 'ed25519');
    const key = parsePublicKeyLine(line);
    expect(key.comment).toBe('the plain key');
    expect(`${publicKeyLine(key)}\n`).toBe(line);
  });

  test('fingerprints are those of ssh-keygen -l', () => {
    const { line } = generate('printed', '-t', 'ed25519');
    expect(sshKeygenOutput(['-l', '-f', folder.path('printed.pub')])).toContain(
      ` ${fingerprint(parsePublicKeyLine(line).blob)} `,
    );
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
