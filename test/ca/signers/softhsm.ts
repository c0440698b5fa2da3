/** A SoftHSM2 token in a folder of its own, for tests; Debian's packages softhsm2 and opensc. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';

const modules = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
];
export const softhsmModule = modules.find((path) => existsSync(path)) ?? '';
const programs = ['softhsm2-util', 'pkcs11-tool', 'ssh-agent'];
const isInstalled =
  softhsmModule !== '' && programs.every((name) => spawnSync(name, ['--help']).error === undefined);

/** Tests against SoftHSM2, skipped only where it, opensc or ssh-agent is not installed. */
export function describeWithSofthsm(fact: string, tests: () => void): void {
  describe.skipIf(!isInstalled)(isInstalled ? fact : `${fact} (softhsm2 or opensc is not installed)`, tests);
}

export interface SoftToken {
  /** What a process needs to find the token. */
  readonly environment: NodeJS.ProcessEnv;
  /** @param type as pkcs11-tool has it, such as EC:prime256v1 */
  generate(label: string, id: string, type: string): void;
}

export function createSoftToken(folder: string, pin: string): SoftToken {
  mkdirSync(join(folder, 'tokens'), { recursive: true });
  const configuration = join(folder, 'softhsm2.conf');
  writeFileSync(
    configuration,
    `directories.tokendir = ${join(folder, 'tokens')}\nobjectstore.backend = file\n`,
  );
  const environment = { ...process.env, SOFTHSM2_CONF: configuration };
  const run = (program: string, args: string[]) => {
    const { status, stdout, stderr } = spawnSync(program, args, { env: environment, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${program}: ${stderr}${stdout}`);
  };
  const soPin = ['--so-pin', '87654321'];
  run('softhsm2-util', ['--init-token', '--free', '--label', 'sallyport', '--pin', pin, ...soPin]);
  return {
    environment,
    generate: (label, id, type) => {
      const login = ['--module', softhsmModule, '--login', '--pin', pin];
      run('pkcs11-tool', [...login, '--keypairgen', '--key-type', type, '--label', label, '--id', id]);
    },
  };
}
