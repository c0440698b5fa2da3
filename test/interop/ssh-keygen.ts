import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';

const isInstalled = spawnSync('ssh-keygen', ['-?']).error === undefined;

/** Tests against the real `ssh-keygen`, skipped only where it is not installed. */
export function describeWithSshKeygen(fact: string, tests: () => void): void {
  describe.skipIf(!isInstalled)(isInstalled ? fact : `${fact} (ssh-keygen is not installed)`, tests);
}

export interface KeygenResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function sshKeygen(args: readonly string[], input = ''): KeygenResult {
  const { status, stdout, stderr, error } = spawnSync('ssh-keygen', args, { input, encoding: 'utf8' });
  if (error) throw error;
  return { status, stdout, stderr };
}

/** Runs it and wants success. */
export function sshKeygenOutput(args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = sshKeygen(args, input);
  if (status !== 0) throw new Error(`ssh-keygen ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

/** A folder for one test file, removed after it. `write` gives the path of a new private file. */
export function temporaryFolder() {
  const path = mkdtempSync(join(tmpdir(), 'sallyport-interop-'));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return {
    path: (name: string) => join(path, name),
    write(name: string, content: string | Uint8Array): string {
      const file = join(path, name);
      writeFileSync(file, content, { mode: 0o600 });
      return file;
    },
  };
}
