import type { SallyEnvironment } from '../environment.ts';
import type { Keychain } from './keychain.ts';

/** The system's own; it is loaded when it is first used. */
export function systemKeychain(environment: SallyEnvironment): Keychain {
  const load = async () => (await import('./keychain-programs.ts')).keychainOf(environment);
  return {
    name: keychainNames[environment.platform ?? 'linux'] ?? 'the Secret Service',
    read: async (item) => (await load()).read(item),
    write: async (item, secret) => (await load()).write(item, secret),
    remove: async (item) => (await load()).remove(item),
  };
}

const keychainNames: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  darwin: 'the macOS keychain',
  win32: 'Windows data protection',
};
