/**
 * Certificates per second, made as the CA makes them (encoded, linted, signed, read again and verified), beside
 * `ssh-keygen -s` with the same CA and the same keys, in turns. That one runs once for all of them and writes each
 * certificate into a file.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assembleCertificate, encodeToBeSigned } from '../src/ssh/encode-certificate.ts';
import { lintUserCertificate } from '../src/ssh/lint-certificate.ts';
import { generateEd25519 } from '../src/ssh/openssh-private-key.ts';
import { parseCertificate } from '../src/ssh/parse-certificate.ts';
import { publicKeyLine } from '../src/ssh/public-key.ts';
import { signWithKey } from '../src/ssh/signature.ts';
import { verifyCertificateBy } from '../src/ssh/verify-certificate.ts';
import { median } from './measure.ts';

const runs = 7;
const certificates = 500;
const now = 1_800_000_000n;
const rules = { now, maxLifetime: 3600n, maxBackdate: 60n };

const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
const ca = generateEd25519();
const caFile = join(folder, 'ca');
writeFileSync(caFile, ca.openssh('ca'), { mode: 0o600 });

interface Subject {
  readonly blob: Buffer;
  readonly file: string;
}

/** New keys for each run: a key that was seen before is not checked again. */
function newSubjects(run: number): Subject[] {
  return Array.from({ length: certificates }, (_, index) => {
    const { publicKeyBlob: blob } = generateEd25519();
    const file = join(folder, `${run}-${index}.pub`);
    writeFileSync(file, `${publicKeyLine({ blob })}\n`);
    return { blob, file };
  });
}

function issueOurs(subjects: readonly Subject[]): void {
  for (const { blob } of subjects) {
    const toBeSigned = encodeToBeSigned({
      kind: 'user',
      publicKey: blob,
      nonce: randomBytes(32),
      serial: 1n,
      keyId: 'alice@example.org/01ab',
      principals: ['alice@example.org', 'mfa:alice@example.org'],
      validAfter: now - 60n,
      validBefore: now + 3600n,
      criticalOptions: [],
      extensions: [
        { name: 'permit-port-forwarding', value: '' },
        { name: 'permit-pty', value: '' },
      ],
      caPublicKey: ca.publicKeyBlob,
    });
    lintUserCertificate(toBeSigned, rules);
    const blobOfAll = assembleCertificate(toBeSigned, signWithKey(ca.privateKey, toBeSigned));
    verifyCertificateBy(parseCertificate(blobOfAll), [ca.publicKeyBlob]);
  }
}

function issueTheirs(subjects: readonly Subject[]): void {
  const options = ['clear', 'permit-port-forwarding', 'permit-pty'].flatMap((option) => ['-O', option]);
  const { status, stderr } = spawnSync('ssh-keygen', [
    ...['-q', '-s', caFile, '-I', 'alice@example.org/01ab', '-z', '1', '-V', '-1m:+1h'],
    ...['-n', 'alice@example.org,mfa:alice@example.org', ...options],
    ...subjects.map(({ file }) => file),
  ]);
  if (status !== 0) throw new Error(`ssh-keygen: ${stderr}`);
}

function perSecond(issue: (subjects: readonly Subject[]) => void, subjects: readonly Subject[]): number {
  const begin = performance.now();
  issue(subjects);
  return (subjects.length * 1000) / (performance.now() - begin);
}

try {
  issueOurs(newSubjects(0));
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let run = 1; run <= runs; run += 1) {
    const subjects = newSubjects(run);
    ours.push(perSecond(issueOurs, subjects));
    theirs.push(perSecond(issueTheirs, subjects));
  }
  const [mine, other] = [median(ours), median(theirs)];
  const range = (values: readonly number[]) =>
    `${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)}`;
  console.log(
    `ours: median ${mine.toFixed(0)} certificates/s (${range(ours)}, ${runs} runs of ${certificates})`,
  );
  console.log(`ssh-keygen -s: median ${other.toFixed(0)} certificates/s (${range(theirs)})`);
  console.log(`ratio ${(mine / other).toFixed(2)} (above 1 is faster)`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
