import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { BareSigner } from '../../../src/ca/signers/bare-signer.ts';
import { limitSigner, type SignerLimits, signerLimits } from '../../../src/ca/signers/limited-signer.ts';
import { generateEd25519 } from '../../../src/ssh/openssh-private-key.ts';
import { signWithKey, verifySignature } from '../../../src/ssh/signature.ts';

const key = generateEd25519();
const bytes = Buffer.from('to be signed');
const { privateKey: rsaKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });

/** A signer that does as it is told, behind limits, with a clock that stands still. */
function limited(changed: Partial<SignerLimits> = {}, verifies = true) {
  const holder = {
    now: 0,
    calls: 0,
    sign: async (bytes: Uint8Array): Promise<Buffer> => signWithKey(key.privateKey, bytes),
  };
  const bare: BareSigner = {
    publicKey: key.publicKeyBlob,
    algorithm: 'ssh-ed25519',
    sign: (bytes) => {
      holder.calls += 1;
      return holder.sign(bytes);
    },
    close: async () => {},
  };
  const limits = { ...signerLimits, failuresInARow: 3, pauseMilliseconds: 1000, ...changed };
  return { holder, signer: limitSigner(bare, { limits, now: () => holder.now, verifies }) };
}

const fail = () => Promise.reject(new Error('500 Internal Server Error'));
const never = () => new Promise<never>(() => {});
const failure = (problem: string) => ({ code: 'signer_failed', message: expect.stringContaining(problem) });

const troubles: [string, BareSigner['sign'], string][] = [
  ['answers with errors', fail, '500 Internal Server Error'],
  ['never answers', never, 'in time'],
  ['signs with another key', async (given) => signWithKey(generateEd25519().privateKey, given), 'match'],
  ['signs with a key of another type', async (given) => signWithKey(rsaKey, given), 'rsa-sha2-512'],
  ['signs other bytes', async () => signWithKey(key.privateKey, randomBytes(8)), 'match'],
  ['returns noise', async () => randomBytes(83), 'signature'],
  ['returns nothing', async () => Buffer.alloc(0), 'signature'],
];

describe('[abuse 136] a signer that', () => {
  test.each(troubles)(
    '%s fails each signature, is then left alone, and is tried out once',
    async (...trouble) => {
      const [, sign, problem] = trouble;
      const { holder, signer } = limited({ deadlineMilliseconds: 5 });
      const signForReal = holder.sign;
      holder.sign = (given) => sign(given, AbortSignal.timeout(1000));
      for (let time = 0; time < 3; time += 1) {
        await expect(signer.sign(bytes)).rejects.toMatchObject(failure(problem));
      }
      await expect(signer.sign(bytes)).rejects.toMatchObject(failure('left alone'));
      expect(holder.calls).toBe(3);

      // Still in trouble after the pause: one call finds out, then nobody asks again.
      holder.now += 1000;
      const [first, ...others] = await Promise.allSettled([1, 2, 3].map(() => signer.sign(bytes)));
      expect(first).toMatchObject({ reason: failure(problem) });
      for (const other of others) expect(other).toMatchObject({ reason: failure('left alone') });
      expect(holder.calls).toBe(4);

      // Well again after the next pause.
      holder.now += 1000;
      holder.sign = signForReal;
      verifySignature({ publicKey: key.publicKeyBlob, bytes, signature: await signer.sign(bytes) });
      await Promise.all([1, 2, 3].map(() => signer.sign(bytes)));
      expect(holder.calls).toBe(8);
    },
  );
});

describe('limits', () => {
  test('a signature in between makes the count of failures begin anew', async () => {
    const { holder, signer } = limited();
    const signForReal = holder.sign;
    for (const sign of [fail, fail, signForReal, fail, fail, signForReal]) {
      holder.sign = sign;
      await signer.sign(bytes).catch(() => {});
    }
    expect(holder.calls).toBe(6);
  });

  test('so many are asked for at a time; the others wait in their order, and too many are refused at once', async () => {
    const { holder, signer } = limited({ atATime: 2, mayWait: 2 });
    const begun: { name: string; finish: () => void }[] = [];
    holder.sign = (given) =>
      new Promise((resolve) => {
        const finish = () => resolve(signWithKey(key.privateKey, given));
        begun.push({ name: Buffer.from(given).toString(), finish });
      });
    const asked = ['a', 'b', 'c', 'd'].map((name) => signer.sign(Buffer.from(name)));
    await expect(signer.sign(Buffer.from('e'))).rejects.toMatchObject(failure('too many'));
    const names = () => begun.map(({ name }) => name);
    expect(names()).toEqual(['a', 'b']);
    begun[1]?.finish();
    await asked[1];
    await expect.poll(names).toEqual(['a', 'b', 'c']);
    begun[0]?.finish();
    await asked[0];
    await expect.poll(names).toEqual(['a', 'b', 'c', 'd']);
    for (const { finish } of begun) finish();
    expect(await Promise.all(asked)).toHaveLength(4);
  });

  test('whoever waits behind signatures that never come is refused too', async () => {
    const { holder, signer } = limited({ atATime: 1, deadlineMilliseconds: 20 });
    holder.sign = never;
    const asked = await Promise.allSettled([1, 2, 3, 4, 5].map(() => signer.sign(bytes)));
    for (const each of asked) expect(each).toMatchObject({ reason: { code: 'signer_failed' } });
    expect(holder.calls).toBeLessThanOrEqual(3);
  });

  test('those who wait when the signer is given up are refused without asking it', async () => {
    const { holder, signer } = limited({ atATime: 1, failuresInARow: 1 });
    holder.sign = fail;
    const asked = await Promise.allSettled([1, 2, 3].map(() => signer.sign(bytes)));
    expect(asked.map((each) => each.status === 'rejected' && each.reason.message)).toEqual([
      expect.stringContaining('500'),
      expect.stringContaining('left alone'),
      expect.stringContaining('left alone'),
    ]);
    expect(holder.calls).toBe(1);
  });

  test('a key in this process is not checked twice', async () => {
    const { holder, signer } = limited({}, false);
    holder.sign = async () => Buffer.from('whoever releases it checks it');
    expect((await signer.sign(bytes)).toString()).toBe('whoever releases it checks it');
  });
});
