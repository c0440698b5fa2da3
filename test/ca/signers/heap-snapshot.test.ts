import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { encryptKey } from '../../../src/ca/signers/encrypted-key.ts';
import { temporaryFolder } from '../../interop/ssh-keygen.ts';

const folder = temporaryFolder();
const program = fileURLToPath(new URL('./heap-after-signing.ts', import.meta.url));

test('no string in the heap of a process that signed holds the passphrase or the private key, in any usual form', async () => {
  const passphrase = `passphrase ${randomBytes(12).toString('hex')}`;
  const { privateKey } = generateKeyPairSync('ed25519');
  const der = privateKey.export({ format: 'der', type: 'pkcs8' });
  const seed = der.subarray(-32);
  folder.write('user_ca.pem', await encryptKey(der, Buffer.from(passphrase)));
  const environment = {
    ...process.env,
    SALLYPORT_KEYS_PASSPHRASE_FILE: folder.write('passphrase', passphrase),
  };
  const snapshotFile = folder.path('one.heapsnapshot');
  const { stdout } = await promisify(execFile)(process.execPath, [program, folder.path('.'), snapshotFile], {
    env: environment,
  });

  const { strings } = JSON.parse(await readFile(snapshotFile, 'utf8')) as { strings: string[] };
  const holds = (text: string) => strings.some((each) => each.includes(text));
  // The whole of it is looked at: what the process held on purpose is there.
  expect(holds(stdout.trim())).toBe(true);
  expect(holds(passphrase)).toBe(false);
  for (const encoding of ['hex', 'base64', 'base64url', 'latin1', 'utf8', 'utf16le'] as const) {
    // A third of it would do, and base64 of a part that begins elsewhere looks different.
    for (const start of [0, 1, 2, 11]) {
      expect(holds(seed.subarray(start, start + 12).toString(encoding)), encoding).toBe(false);
    }
    expect(holds(der.toString(encoding)), encoding).toBe(false);
  }
  const jwk = privateKey.export({ format: 'jwk' });
  expect(holds(jwk.d ?? 'none')).toBe(false);
});
