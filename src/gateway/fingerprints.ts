/** `sallyport gateway fingerprint`: by which keys this machine's sshd is known, to be compared with what is published. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';
import { fingerprint, parsePublicKeyLine } from '../ssh/public-key.ts';
import { readEnrolment } from './enrolment.ts';
import { type Machine, pathsOf } from './machine.ts';

/** A line for each key, the one that the server knows first. @throws file_refused if there is none */
export async function fingerprintLines(machine: Machine): Promise<string[]> {
  const { hostKeyFolder } = machine;
  const enrolment = await readEnrolment(pathsOf(machine).enrolment);
  const { hostKey } = pathsOf(machine, enrolment);
  const names = (await readdir(hostKeyFolder)).filter((name) => /^ssh_host_[a-z0-9]+_key\.pub$/.test(name));
  const published = `${hostKey}.pub`;
  const others = names.map((name) => join(hostKeyFolder, name)).filter((path) => path !== published);
  const lines: string[] = [];
  for (const path of [published, ...others.sort()]) {
    const line = await readFile(path, 'utf8').catch(() => undefined);
    if (line === undefined) continue;
    const { type, blob } = parsePublicKeyLine(line);
    const about = path === published && enrolment ? 'published and certified' : "the machine's own";
    lines.push(`${fingerprint(blob)} ${type} (${about})`);
  }
  if (lines.length > 0) return lines;
  throw new SallyportError(
    'file_refused',
    `No host key can be read here: neither ${published} nor one in ${hostKeyFolder}. Run it as root.`,
  );
}
