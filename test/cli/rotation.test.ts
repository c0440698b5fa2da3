import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { rotationSteps } from '../../src/cli/rotate-pair.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { fingerprint } from '../../src/ssh/public-key.ts';
import { sshKeygenOutput } from '../interop/ssh-keygen.ts';
import { Person } from './person.ts';
import type { CrashAfter } from './rotation-child.ts';
import { ServerDouble } from './server-double.ts';

let server: ServerDouble;
let alice: Person;

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
  await alice.login(server.url);
});
afterEach(async () => {
  await server.stop();
  alice.remove();
  expect(server.failures).toEqual([]);
});

/** Both halves that one text of identity.conf names, as ssh would load them. */
function pairOf(text: string): { key: string; certificate: string } {
  const key = /^IdentityFile "(.*)"$/m.exec(text)?.[1] ?? '';
  const certificate = /^CertificateFile "(.*)"$/m.exec(text)?.[1] ?? '';
  expect(dirname(key)).toBe(dirname(certificate));
  return { key, certificate };
}

function expectMatchingPair(text: string): void {
  const { key, certificate } = pairOf(text);
  const parsed = parseCertificateLine(readFileSync(certificate, 'utf8'));
  expect(sshKeygenOutput(['-l', '-f', key])).toContain(fingerprint(parsed.publicKey));
}

/** Renews in a process that kills itself after the step. @returns the signal that ended it */
function crash(step: CrashAfter): Promise<NodeJS.Signals | null> {
  const child = join(import.meta.dirname, 'rotation-child.ts');
  const running = spawn(process.execPath, [child, alice.home, step], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return new Promise((resolve) => running.on('close', (_code, signal) => resolve(signal)));
}

describe('a renewal that is killed', () => {
  test.each(rotationSteps)(
    '[abuse 122] after %s leaves a pair that works, and the next one succeeds',
    async (step) => {
      const before = alice.identity();
      expect(await crash(step)).toBe('SIGKILL');
      const left = alice.identity();
      expectMatchingPair(left);
      if (rotationSteps.indexOf(step) < rotationSteps.indexOf('identity-replaced')) expect(left).toBe(before);
      else expect(left).not.toBe(before);

      // What the killed one had asked for is used, not asked for a second time.
      const next = await alice.sally(['cert', 'ensure', '--force']);
      expect(next.code).toBe(0);
      expectMatchingPair(alice.identity());
      expect(alice.identity()).not.toBe(before);
      const finished = step === 'request-forgotten';
      expect(server.issued).toBe(finished ? 3 : 2);
      expect(existsSync(alice.paths.pending)).toBe(false);
    },
  );

  test.each(rotationSteps)('[abuse 122] after %s leaves ssh a config that it reads', async (step) => {
    await crash(step);
    const { code } = await alice.sshAsync(['-G', 'shop-production--web.sallyport']);
    expect(code).toBe(0);
    expectMatchingPair(alice.identity());
  });
});

describe('many at once', () => {
  test('[abuse 121] 50 of ssh during a forced renewal: one renewal, all succeed, every pair that can be seen fits', async () => {
    alice.forceRenewal();
    const snapshots = new Set<string>();
    let watching = true;
    const watch = (async () => {
      while (watching) {
        snapshots.add(alice.identity());
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const runs = await Promise.all(
      Array.from({ length: 50 }, () => alice.sshAsync(['-G', 'shop-production--web.sallyport'])),
    );
    watching = false;
    await watch;
    expect(runs.map(({ code }) => code)).toEqual(Array(50).fill(0));
    expect(runs.map(({ stderr }) => stderr).join('')).toBe('');
    expect(server.issued).toBe(2);
    expect(server.refreshes).toBe(1);
    expect(snapshots.size).toBe(2);
    for (const snapshot of snapshots) expectMatchingPair(snapshot);
    for (const { stdout } of runs) {
      const [, key = ''] = /^identityfile (.*)$/m.exec(stdout) ?? [];
      const [, certificate = ''] = /^certificatefile (.*)$/m.exec(stdout) ?? [];
      expect(certificate).toBe(`${key}-cert.pub`);
      expectMatchingPair(`IdentityFile "${key}"\nCertificateFile "${certificate}"`);
    }
  });

  test('[abuse 121] 8 that wait for a first certificate: one renewal, and every one of them ends with it', async () => {
    const before = alice.identity();
    const later = () => new Date(Date.now() + 3590_000);
    server.faults.certificateLifeSeconds = 7200;
    const runs = await Promise.all(
      Array.from({ length: 8 }, () => alice.sally(['cert', 'ensure'], { now: later })),
    );
    expect(runs.map(({ code }) => code)).toEqual(Array(8).fill(0));
    expect(server.issued).toBe(2);
    expect(alice.identity()).not.toBe(before);
  });
});
