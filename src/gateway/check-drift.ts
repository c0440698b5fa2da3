/**
 * Whether the machine's files still come to what was installed (OPENSSH.md, ABUSE.md 115): sshd itself is asked what it
 * makes of them for everybody and for a few logins, and all files are read for exceptions that those logins would not
 * meet. Told in words, each of which an owner may accept when installing.
 */
import { readFile } from 'node:fs/promises';
import {
  askSshd,
  decisive,
  type Effective,
  type Login,
  overruled,
  readLines,
} from './effective-configuration.ts';
import { readInstallation } from './installation.ts';
import { exceptionsIn, filesRead } from './match-blocks.ts';
import type { SshdFiles } from './sshd-files.ts';

/** Addresses for documentation (RFC 5737): a Match block that names neither is found by reading the files. */
const addresses = ['192.0.2.1', '127.0.0.1'];

/** @param names login names of targets here @returns what is not as installed and not accepted; empty if all is well */
export async function checkDrift(files: SshdFiles, names: readonly string[]): Promise<readonly string[]> {
  const present = await readFile(files.ours, 'utf8').catch(() => undefined);
  if (present === undefined) return [`${files.ours} is gone`];
  const ours = (await writtenText(files)) ?? present;
  const found = present === ours ? [] : [`${files.ours} was changed`];
  const whole = await askSshd(files.sshd, files.main);
  if ('refusal' in whole) return [...found, `sshd refuses its configuration: ${firstLine(whole.refusal)}`];
  found.push(...driftOf(ours, readLines(whole.text)));
  const logins = [...names.slice(0, 1), 'root', 'nobody'].flatMap((user) =>
    addresses.map((address): Login => ({ user, address })),
  );
  for (const login of logins) {
    const asked = await askSshd(files.sshd, files.main, login);
    if ('refusal' in asked) found.push(`sshd refuses its configuration: ${firstLine(asked.refusal)}`);
    else {
      const also = driftOf(ours, readLines(asked.text)).filter((one) => !found.includes(one));
      found.push(...also.map((one) => `${one} for ${login.user} from ${login.address}`));
    }
  }
  found.push(...(await exceptionsTo(files, ours)));
  return [...new Set(found)].filter((one) => !files.accepted.includes(one));
}

/** What we wrote last, whatever stands there now. */
async function writtenText({ recordFile, ours }: SshdFiles): Promise<string | undefined> {
  const installation = recordFile === null ? undefined : await readInstallation(recordFile);
  const written = installation?.files.find(({ path }) => path === ours);
  return written && Buffer.from(written.after, 'base64').toString('utf8');
}

/** Exceptions of all files that sshd reads, wherever they are and for whomever they match. */
export async function exceptionsTo(
  { main, ours }: Pick<SshdFiles, 'main' | 'ours'>,
  text: string,
): Promise<readonly string[]> {
  const wanted = readLines(text);
  const keywords = [...decisive.filter((keyword) => wanted.has(keyword.toLowerCase())), 'ForceCommand'];
  const found: string[] = [];
  for (const { path, text: theirs, inMatch } of await filesRead(main)) {
    if (path === ours) continue;
    const overruling = exceptionsIn(theirs, keywords, inMatch)
      .filter(({ keyword, value }) => !wanted.get(keyword.toLowerCase())?.includes(value))
      .map(({ keyword }) => keyword);
    if (overruling.length > 0) {
      found.push(`a Match block of ${path} overrules ${[...new Set(overruling)].join(', ')}`);
    }
  }
  return found;
}

/** Pure. */
export function driftOf(ours: string, effective: Effective): string[] {
  const wanted = readLines(ours);
  const found = overruled(ours, effective).map((keyword) => {
    const value = effective.get(keyword.toLowerCase())?.[0] ?? 'not set';
    return `${keyword} is ${value.length > 60 ? `${value.slice(0, 60)}...` : value}`;
  });
  // Ours name no others, and a second one stands beside the first instead of being ignored.
  for (const certificate of effective.get('hostcertificate') ?? []) {
    if (!wanted.get('hostcertificate')?.includes(certificate)) {
      found.push(`HostCertificate is also ${certificate}`);
    }
  }
  // It would run instead of the command by which somebody is refused.
  const [forced = 'none'] = effective.get('forcecommand') ?? [];
  if (forced !== 'none') found.push(`ForceCommand is ${forced.slice(0, 60)}`);
  return found;
}

function firstLine(text: string): string {
  return text.split('\n')[0]?.slice(0, 200) ?? '';
}
