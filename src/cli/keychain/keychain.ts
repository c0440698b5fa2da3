/** Where the system keeps secrets for its programs: one small secret under one name. */
import type { SallyEnvironment } from '../environment.ts';

export interface Keychain {
  /** What the person knows it as. */
  readonly name: string;
  /** Undefined: it holds none of that name. @throws keychain_failed */
  read(item: string): Promise<string | undefined>;
  /** @throws keychain_failed */
  write(item: string, secret: string): Promise<void>;
  /** @throws keychain_failed */
  remove(item: string): Promise<void>;
}

/** The system's own; it is loaded when it is first used. */
export function systemKeychain(environment: SallyEnvironment): Keychain {
  const load = async () => (await import('./system-keychains.ts')).keychainOf(environment);
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
