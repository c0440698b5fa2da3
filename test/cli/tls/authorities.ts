/** Certificate authorities for a test, by openssl, and what they vouch for: a server at 127.0.0.1. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  readonly file: string;
  /** For a server of this machine. */
  readonly server: { readonly key: string; readonly cert: string };
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];

export function makeAuthority(folder: string, name: string): Authority {
  const at = (file: string) => join(folder, `${name.replaceAll(' ', '-')}.${file}`);
  const made = (out: string, ...args: string[]) =>
    execFileSync(
      'openssl',
      ['req', '-x509', ...newKey, '-keyout', at(`${out}.key`), '-out', at(out), ...args],
      {
        stdio: 'ignore',
      },
    );
  made('ca', '-subj', `/O=Example/CN=${name}`);
  made(
    ...['server', '-CA', at('ca'), '-CAkey', at('ca.key'), '-subj', '/CN=sallyport'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=CA:FALSE'],
  );
  const [certificate, key, cert] = ['ca', 'server.key', 'server'].map((file) =>
    readFileSync(at(file), 'utf8'),
  );
  if (!certificate || !key || !cert) throw new Error('openssl made nothing');
  return { certificate, file: at('ca'), server: { key, cert } };
}
