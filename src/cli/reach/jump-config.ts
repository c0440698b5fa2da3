/**
 * A bastion of somebody else's in front of our gateway: how ssh gets to it is written into a config of its own, in front
 * of the person's, because ssh hands no key and no shared connection on to the hosts that it jumps through.
 */
import { randomBytes } from 'node:crypto';
import { unlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { ensurePrivateFolder, writeFileAtomically } from '../../files/write-file.ts';
import type { SallyContext } from '../context.ts';
import { configPath, configWord } from '../ssh-config-value.ts';

export interface Bastion {
  /** As the person wrote it, for ssh. */
  readonly destination: string;
  readonly host: string;
}

/** `[user@]host[:port]`, and nothing that ssh could read as more. @throws settings_invalid */
export function parseBastion(text: string): Bastion {
  const found =
    /^(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/.exec(
      text,
    );
  const host = found?.[1];
  if (host !== undefined) return { destination: text, host: host.replace(/^\[(.*)\]$/, '$1') };
  throw new SallyportError(
    'settings_invalid',
    `${JSON.stringify(text)} is not a bastion. It looks like user@bastion.example.com or bastion.example.com:2222`,
  );
}

export interface JumpOptions {
  readonly bastion: Bastion;
  /** Private key for the bastion alone. */
  readonly key: string | undefined;
  /** Of a connection to it that is open already. */
  readonly controlPath: string | undefined;
}

/** Runs `work` with a config file that knows the bastion, and takes the file away again. */
export async function withJumpConfig<T>(
  context: SallyContext,
  { bastion, key, controlPath }: JumpOptions,
  configFile: string | null,
  work: (configFile: string) => Promise<T>,
): Promise<T> {
  const { paths, environment } = context;
  const lines = [
    '# Written by sally for one ssh.',
    `Match originalhost ${configWord(bastion.host)}`,
    ...(key === undefined
      ? []
      : [`  IdentityFile ${configPath(resolve(environment.folder ?? '/', key))}`, '  IdentitiesOnly yes']),
    ...(controlPath === undefined ? [] : ['  ControlMaster no', `  ControlPath ${configPath(controlPath)}`]),
    'Match all',
    `  Include ${configPath(configFile ?? paths.userConfig)}`,
    '  Include /etc/ssh/ssh_config',
  ];
  await ensurePrivateFolder(paths.bastions);
  const file = `${paths.bastions}/${randomBytes(8).toString('hex')}.conf`;
  await writeFileAtomically(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  try {
    return await work(file);
  } finally {
    await unlink(file).catch(() => {});
  }
}
