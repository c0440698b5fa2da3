import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parsePublicKeyLine, publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig, verifySshsig } from '../../src/ssh/sshsig.ts';
import { codeOf } from '../ssh/refusal.ts';
import { keysOfEveryType, securityKey } from '../ssh/sample-keys.ts';
import { describeWithSshKeygen, sshKeygen, sshKeygenOutput, temporaryFolder } from './ssh-keygen.ts';

const folder = temporaryFolder();
const key = generateEd25519();
const keyFile = folder.write('key', key.openssh('signer'));
const allowedSigners = folder.write(
  'allowed',
  `alice ${publicKeyLine({ type: 'ssh-ed25519', blob: key.publicKeyBlob })}\n`,
);
const message = 'session 01ab\nnonce xyz\n';
const claim = {
  message: Buffer.from(message),
  namespace: 'pop@example.org',
  publicKeyBlob: key.publicKeyBlob,
};
const signOurs = () => signSshsig({ ...claim, sign: (bytes) => signWithKey(key.privateKey, bytes) });

describeWithSshKeygen('detached signatures and ssh-keygen', () => {
  test('ssh-keygen -Y verify takes ours, for its namespace only', async () => {
    const signature = folder.write('ours.sig', await signOurs());
    const verify = (namespace: string) =>
      sshKeygen(
        ['-Y', 'verify', '-f', allowedSigners, '-I', 'alice', '-n', namespace, '-s', signature],
        message,
      );
    expect(verify('pop@example.org')).toMatchObject({ status: 0 });
    expect(verify('file').status).not.toBe(0);
  });

  test('ours are the same bytes as those of ssh-keygen -Y sign, and we take theirs', async () => {
    const file = folder.write('message', message);
    sshKeygenOutput(['-q', '-Y', 'sign', '-f', keyFile, '-n', 'pop@example.org', file]);
    const theirs = readFileSync(`${file}.sig`, 'utf8');
    expect(() => verifySshsig({ ...claim, armored: theirs })).not.toThrow();
    expect(theirs).toBe(await signOurs());
  });

  test.each([
    ['ecdsa', '256'],
    ['ecdsa', '384'],
    ['ecdsa', '521'],
    ['rsa', '3072'],
  ])('we take what ssh-keygen -Y sign makes with a key of type %s, %s bits', (type, bits) => {
    const file = folder.path(`${type}-${bits}`);
    sshKeygenOutput(['-q', '-N', '', '-t', type, '-b', bits, '-f', file]);
    const publicKeyBlob = parsePublicKeyLine(readFileSync(`${file}.pub`, 'utf8')).blob;
    const armored = sshKeygenOutput(['-q', '-Y', 'sign', '-f', file, '-n', 'pop@example.org'], message);
    expect(() => verifySshsig({ ...claim, publicKeyBlob, armored })).not.toThrow();
    expect(codeOf(() => verifySshsig({ ...claim, publicKeyBlob, namespace: 'file', armored }))).toBe(
      'signature_invalid',
    );
  });

  test.each(keysOfEveryType().map((one) => [one.type, one] as const))(
    'ssh-keygen -Y verify takes ours with a key of type %s',
    async (type, { blob, sign }) => {
      const armored = await signSshsig({ ...claim, publicKeyBlob: blob, sign: (bytes) => sign(bytes) });
      const signature = folder.write(`${type}.sig`, armored);
      const signers = folder.write(`${type}.allowed`, `alice ${publicKeyLine({ blob })}\n`);
      const command = [
        '-Y',
        'verify',
        '-f',
        signers,
        '-I',
        'alice',
        '-n',
        'pop@example.org',
        '-s',
        signature,
      ];
      expect(sshKeygen(command, message)).toMatchObject({ status: 0 });
      expect(sshKeygen(command, `${message}.`).status).not.toBe(0);
    },
  );

  test('a signature by a security key that nobody touched does not leave', async () => {
    const untouched = securityKey(key.privateKey, 'ssh:', 0);
    const { blob } = untouched;
    const attempt = signSshsig({ ...claim, publicKeyBlob: blob, sign: (bytes) => untouched.sign(bytes) });
    await expect(attempt).rejects.toMatchObject({ code: 'signature_invalid' });
  });
});
