/** What a crash can leave below `~/.ssh/sallyport`: files that were to be renamed, a mark of a fast path that is gone. */
import type { Dirent } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StatePaths } from '../state-paths.ts';
import { tunnelsFolder } from '../tunnels/tunnel-store.ts';
import { type Finding, ok } from './finding.ts';

export interface LeftoverFacts {
  readonly paths: readonly string[];
}

/** As writeFileAtomically and storePair name what is not finished. */
const unfinished = /^\.(?:[A-Za-z0-9_.-]+\.[0-9a-f]{12}|[0-9a-f]{8}-[0-9a-f-]{27})$/;

/** The caller holds the state lock, or asks for nothing to be removed: who works now has such files too. */
export async function gatherLeftovers({ folder, renewing }: StatePaths): Promise<LeftoverFacts> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch((): Dirent[] => []);
  // Whoever keeps a tunnel writes without that lock; what is left there goes with the tunnel.
  const tunnels = tunnelsFolder({ folder });
  const paths = entries
    .filter(({ name, parentPath }) => unfinished.test(name) && !`${parentPath}/`.startsWith(`${tunnels}/`))
    .map(({ parentPath, name }) => join(parentPath, name));
  const pid = Number((await readFile(renewing, 'latin1').catch(() => '')).trim() || '0');
  const isGone = pid > 0 && !isProcess(pid);
  return { paths: [...paths, ...(isGone ? [renewing] : [])] };
}

export function judgeLeftovers({ paths }: LeftoverFacts): Finding {
  const [first] = paths;
  if (first === undefined) return ok('leftovers', 'nothing is left over from a crash');
  const more = paths.length === 1 ? '' : ` and ${paths.length - 1} more`;
  return {
    check: 'leftovers',
    outcome: 'warning',
    says: `${first}${more} is left over from a sally that was ended in its work. Nothing reads it.`,
    fix: 'sally doctor --fix',
    repair: { kind: 'leftovers', paths },
  };
}

function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
