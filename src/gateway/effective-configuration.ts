/**
 * What sshd makes of all its files together, as `sshd -T` prints it, beside what our file says: a line that sshd reads is
 * not yet one that counts. Pure but for the asking.
 */
import { runProgram } from './run-program.ts';

/** Keywords whose value must be ours, whatever else the machine's files say. */
export const decisive = [
  'TrustedUserCAKeys',
  'RevokedKeys',
  'AuthenticationMethods',
  'PubkeyAuthentication',
  'PasswordAuthentication',
  'KbdInteractiveAuthentication',
  'HostbasedAuthentication',
  'AuthorizedKeysFile',
  'AuthorizedKeysCommand',
  'AuthorizedPrincipalsCommand',
  'AuthorizedPrincipalsCommandUser',
  'AuthorizedPrincipalsFile',
  'PermitEmptyPasswords',
  'PermitRootLogin',
  'PermitUserEnvironment',
  'AllowTcpForwarding',
  'AllowStreamLocalForwarding',
  'GatewayPorts',
  'PermitTunnel',
] as const;

/** Keyword in lower case to its values: some keywords may stand several times. */
export type Effective = ReadonlyMap<string, readonly string[]>;

/** Values of sshd's that mean the same. */
const sameAs: Readonly<Record<string, string>> = { 'without-password': 'prohibit-password' };

/** Lines of `keyword value`, as sshd prints them and as our file has them. */
export function readLines(text: string): Effective {
  const found = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [, keyword = '', value = ''] = /^([A-Za-z]+) (.*)$/.exec(line) ?? [];
    if (keyword === '') continue;
    const values = found.get(keyword.toLowerCase()) ?? [];
    // sshd prints paths without the quotes that it reads them with.
    const plain = value.replace(/^"(\/[^"]*)"$/, '$1');
    values.push(sameAs[plain] ?? plain);
    found.set(keyword.toLowerCase(), values);
  }
  return found;
}

/** Decisive keywords of our text that have another value. */
export function overruled(ours: string, effective: Effective): readonly string[] {
  const wanted = readLines(ours);
  return decisive.filter((keyword) => {
    const value = wanted.get(keyword.toLowerCase())?.[0];
    return value !== undefined && effective.get(keyword.toLowerCase())?.[0] !== value;
  });
}

export interface Login {
  readonly user: string;
  readonly address: string;
}

/**
 * @param login whose Match blocks count; absent: none do
 * @returns what sshd says, or that it refuses its files
 */
export async function askSshd(
  sshd: string,
  main: string,
  login?: Login,
): Promise<{ readonly text: string } | { readonly refusal: string }> {
  // Whatever a Match block may ask for is named, or sshd refuses to say.
  const about = login
    ? [
        '-C',
        `user=${login.user},host=client.invalid,addr=${login.address},laddr=192.0.2.2,lport=22,rdomain=none`,
      ]
    : [];
  const { status, stdout, stderr } = await runProgram(sshd, ['-T', '-f', main, ...about]);
  return status === 0 ? { text: stdout } : { refusal: stderr.trim() };
}
