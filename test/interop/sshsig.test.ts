import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig, verifySshsig } from '../../src/ssh/sshsig.ts';
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
});
