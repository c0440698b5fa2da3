/** An sshd that only reads configurations. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findPrograms } from '../../src/gateway/programs.ts';

/** As root sshd wants /run/sshd even to check a configuration; where it is missing it gets one of its own. */
export async function checkingSshd(folder: string): Promise<string> {
  const { sshd } = findPrograms();
  if (process.getuid?.() !== 0 || existsSync('/run/sshd')) return sshd;
  const path = join(folder, 'sshd');
  const inside = `mount -t tmpfs none /run; mkdir /run/sshd; exec ${sshd} "$@"`;
  const text = `#!/bin/sh\nexec /usr/bin/unshare --mount --propagation private /bin/sh -euc '${inside}' sh "$@"\n`;
  await writeFile(path, text, { mode: 0o755 });
  return path;
}
