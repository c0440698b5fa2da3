/**
 * The keychains of the systems, by the program that each brings. A secret goes in by standard input and comes out by
 * standard output: arguments and environments of processes are there for others to read.
 */
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from '../../files/ignore-missing.ts';
import { readPrivateFile, writeFileAtomically } from '../../files/write-file.ts';
import type { SallyEnvironment } from '../environment.ts';
import { askProgram } from './ask-program.ts';
import type { Keychain } from './keychain.ts';

type SecretStore = Omit<Keychain, 'name'>;

export function keychainOf({ platform, forPrograms: environment = {} }: SallyEnvironment): SecretStore {
  if (platform === 'darwin') return macKeychain(environment);
  if (platform === 'win32') return windowsProtection(environment);
  return secretService(environment);
}

/** freedesktop.org's Secret Service by secret-tool(1) of libsecret: GNOME Keyring, KWallet, KeePassXC. */
function secretService(environment: NodeJS.ProcessEnv): SecretStore {
  const asked = { keychain: 'The Secret Service', program: 'secret-tool', environment };
  const of = (item: string) => ['service', 'sallyport', 'folder', item];
  return {
    read: async (item) => await askProgram({ ...asked, args: ['lookup', ...of(item)], noneStatus: 1 }),
    write: async (item, secret) => {
      await askProgram({ ...asked, args: ['store', '--label=Sallyport', ...of(item)], stdin: secret });
    },
    remove: async (item) => {
      await askProgram({ ...asked, args: ['clear', ...of(item)], noneStatus: 1 });
    },
  };
}

/** security(1) reads commands from its input; a home folder whose path it could misread is refused by state-paths.ts. */
function macKeychain(environment: NodeJS.ProcessEnv): SecretStore {
  const asked = { keychain: 'The macOS keychain', program: 'security', environment };
  const notFound = 44; // errSecItemNotFound
  const of = (item: string) => ['-a', item, '-s', 'sallyport'];
  return {
    read: async (item) => {
      const args = ['find-generic-password', ...of(item), '-w'];
      return await askProgram({ ...asked, args, noneStatus: notFound }).catch(noneWhereSaid);
    },
    write: async (item, secret) => {
      const hex = Buffer.from(secret).toString('hex');
      const command = `add-generic-password -U -a "${item}" -s sallyport -l Sallyport -X ${hex}\n`;
      await askProgram({ ...asked, args: ['-i'], stdin: command });
    },
    remove: async (item) => {
      const args = ['delete-generic-password', ...of(item)];
      await askProgram({ ...asked, args, noneStatus: notFound }).catch(noneWhereSaid);
    },
  };
}

/** It says in words too that there is none. */
function noneWhereSaid(error: unknown): undefined {
  if (error instanceof Error && /could not be found in the keychain/.test(error.message)) return undefined;
  throw error;
}

/** DPAPI seals for the person's Windows account; what it gives lies in a file beside the session. */
function windowsProtection(environment: NodeJS.ProcessEnv): SecretStore {
  const fileOf = (item: string) => join(item, 'key.dpapi');
  const ask = async (expression: string, stdin: string) =>
    (await askProgram({
      keychain: 'Windows data protection',
      program: 'powershell.exe',
      args: ['-NoProfile', '-NonInteractive', '-Command', protection(expression)],
      environment,
      stdin: `${stdin}\n`,
    })) ?? '';
  return {
    read: async (item) => {
      const bytes = await readPrivateFile(fileOf(item));
      return bytes && (await ask('Unprotect', bytes.toString('latin1').trim()));
    },
    write: async (item, secret) => {
      const sealed = await ask('Protect', Buffer.from(secret).toString('base64'));
      await writeFileAtomically(fileOf(item), `${sealed}\n`, { mode: 0o600 });
    },
    remove: async (item) => await unlink(fileOf(item)).catch(ignoreMissing),
  };
}

/** base64 in, and base64 or, where something is opened, the text out. */
function protection(way: string): string {
  const out = way === 'Protect' ? '[Convert]::ToBase64String($o)' : '[Text.Encoding]::UTF8.GetString($o)';
  return `$ErrorActionPreference='Stop'; Add-Type -AssemblyName System.Security; $i=[Convert]::FromBase64String([Console]::In.ReadLine()); $o=[Security.Cryptography.ProtectedData]::${way}($i,$null,'CurrentUser'); ${out}`;
}
