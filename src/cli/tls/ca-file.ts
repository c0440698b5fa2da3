import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import { SallyportError } from '../../errors/sallyport-error.ts';

export interface CaFile {
  /** Absolute: the next command may run in another folder. */
  readonly path: string;
  /** PEM, one certificate each. */
  readonly certificates: readonly string[];
}

const certificatePem = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** @throws file_refused */
export async function readCaFile(name: string): Promise<CaFile> {
  const path = isAbsolute(name) ? name : resolve(name);
  let certificates: string[];
  try {
    certificates = (await readFile(path, 'utf8')).match(certificatePem) ?? [];
    for (const pem of certificates) new X509Certificate(pem);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw refused(
      path,
      code === undefined || !/^E[A-Z]+$/.test(code) ? 'holds something else' : `gives ${code}`,
    );
  }
  if (certificates.length === 0) throw refused(path, 'holds none');
  return { path, certificates };
}

function refused(path: string, problem: string): SallyportError {
  return new SallyportError(
    'file_refused',
    `The CA file ${path} must be a PEM file with certificates of certificate authorities, but ${problem}. To choose another: sally profile set --ca-file FILE`,
  );
}
