/**
 * The key and certificate that ssh uses now: `identity.conf` names both by paths of one folder, and is replaced in one
 * step. ssh reads key and certificate at different moments, so files that change under a fixed name could be read as
 * two halves of different pairs; old folders stay for a day instead.
 */
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { readPrivateFile, writeFileAtomically } from '../files/write-file.ts';
import { parseCertificateLine } from '../ssh/parse-certificate.ts';
import { configPath } from './ssh-config-value.ts';
import type { StatePaths } from './state-paths.ts';

/** Called so whatever the type of the key; what is in a security key or an agent is named by what lies here. */
export const keyFile = 'id_ed25519';
export const certificateFile = 'id_ed25519-cert.pub';

export interface CurrentPair {
  /** The request's id, and the name of the folder. */
  readonly id: string;
  readonly certificatePath: string;
  readonly serial: string;
  readonly keyId: string;
  readonly principals: readonly string[];
  /** SSH public key blob. */
  readonly publicKey: Buffer;
  /** Unix seconds. */
  readonly validAfter: number;
  readonly validBefore: number;
  /** The same end as this machine's clock tells it, which is another where that clock is wrong by minutes. */
  readonly endsHere: number;
}

/** The current pair; undefined if there is none, or none that ssh would use: halves that differ, a key open to others. */
export async function currentPair(paths: StatePaths): Promise<CurrentPair | undefined> {
  const text = await readFile(paths.identity, 'utf8').catch(() => '');
  const [line = '', id = ''] = /^IdentityFile ".*\/([0-9a-f-]{36})\/[^/]*"$/m.exec(text) ?? [];
  if (id === '' || line !== `IdentityFile ${configPath(join(paths.pairs, id, keyFile))}`) return undefined;
  const pair = await readPair(paths, id);
  const [, ends] = /^# ends ([0-9]{1,12})$/m.exec(text) ?? [];
  return pair && ends !== undefined ? { ...pair, endsHere: Number(ends) } : pair;
}

/** The server's clock and this one may differ so much before it counts: a certificate asked for again is older, too. */
const sameClockSeconds = 600;
/** A certificate starts so long before it is issued. */
const backdateSeconds = 60;

/**
 * A pair that the server has just issued. Whether it is good is for sshd to say, by another clock than this one: a wrong
 * clock here must neither throw it away nor have it renewed over and over.
 */
export function byThisClock(pair: CurrentPair, nowSeconds: number): CurrentPair {
  const ahead = nowSeconds - (pair.validAfter + backdateSeconds);
  return Math.abs(ahead) < sameClockSeconds ? pair : { ...pair, endsHere: pair.validBefore + ahead };
}

/** The pair in `pairs/<id>`, if both halves are there and fit. */
export async function readPair(paths: StatePaths, id: string): Promise<CurrentPair | undefined> {
  const folder = join(paths.pairs, id);
  try {
    if (!(await lstat(folder)).isDirectory()) return undefined;
    const key = await readPrivateFile(join(folder, keyFile));
    const line = await readPrivateFile(join(folder, certificateFile));
    if (!key || !line) return undefined;
    const certificate = parseCertificateLine(line.toString('utf8'));
    if (!isKeyOf(certificate.publicKey, key.toString('latin1'))) return undefined;
    return {
      id,
      certificatePath: join(folder, certificateFile),
      serial: String(certificate.serial),
      keyId: certificate.keyId,
      principals: certificate.principals,
      publicKey: certificate.publicKey,
      validAfter: Number(certificate.validAfter),
      validBefore: Number(certificate.validBefore),
      endsHere: Number(certificate.validBefore),
    };
  } catch (error) {
    if (isSallyportError(error) || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** An OpenSSH private key file holds its public key in clear (PROTOCOL.key); of a key in an agent only that is here. */
function isKeyOf(publicKey: Buffer, text: string): boolean {
  const [, base64 = ''] = text.startsWith('-----')
    ? ['', text.replace(/-----[^-]*-----|\s/g, '')]
    : text.split(' ');
  return Buffer.from(base64, 'base64').includes(publicKey);
}

/**
 * From the next ssh on, this pair.
 * @param provider what ssh is to talk to the security key with, if not what it has itself
 */
export async function useIdentity(
  paths: StatePaths,
  { id, endsHere }: CurrentPair,
  provider?: string,
): Promise<void> {
  const folder = join(paths.pairs, id);
  const through = provider === undefined ? '' : `SecurityKeyProvider ${configPath(provider)}\n`;
  await writeIdentity(
    paths,
    endsHere,
    `IdentityFile ${configPath(join(folder, keyFile))}\nCertificateFile ${configPath(join(folder, certificateFile))}\n${through}`,
  );
}

/** From the next ssh on, no key at all: without this line ssh would offer the person's other keys. */
export async function useNoIdentity(paths: StatePaths): Promise<void> {
  await writeIdentity(paths, 0, 'IdentityFile none\n');
}

/** The second line is for the fast path: the unix second in which the certificate ends, by this machine's clock. */
async function writeIdentity(paths: StatePaths, endsHere: number, lines: string): Promise<void> {
  const head = `# Written by sally; replaced at every renewal.\n# ends ${endsHere}\n`;
  await writeFileAtomically(paths.identity, head + lines, { mode: 0o600 });
}
