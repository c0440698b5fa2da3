/**
 * The key of a certificate where it lies in a file: Ed25519, or what a machine in FIPS mode may use, whose OpenSSL and
 * OpenSSH know no Ed25519 (FIPS 140-3, SP 800-131A).
 */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { SallyContext } from '../context.ts';
import type { StoredSession } from '../session-file.ts';

export type FileKeyType = 'ed25519' | 'ecdsa' | 'rsa';

const makers: Readonly<Record<FileKeyType, () => KeyObject>> = {
  ed25519: () => generateKeyPairSync('ed25519').privateKey,
  ecdsa: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  rsa: () => generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey,
};

export function makeFileKey(type: FileKeyType): KeyObject {
  return makers[type]();
}

/** What the person chose at the login, or what this machine is for. */
export async function fileKeyType(context: SallyContext, key: StoredSession['key']): Promise<FileKeyType> {
  if (key.kind === 'file' && key.type !== undefined) return key.type;
  return (await isFipsMode(context)) ? 'ecdsa' : 'ed25519';
}

/** Linux says so in one character; elsewhere there is no such file. */
async function isFipsMode({ environment, debug }: SallyContext): Promise<boolean> {
  const { fipsFile } = environment;
  if (fipsFile === undefined) return false;
  const text = await readFile(fipsFile, 'latin1').catch(() => '');
  const isOn = text.trim() === '1';
  if (isOn) debug.say(`${fipsFile} is 1: the key is ECDSA, not Ed25519`);
  return isOn;
}
