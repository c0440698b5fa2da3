/** Whether looking for newer versions works, where the person has switched it on. */
import { isSallyportError } from '../../errors/sallyport-error.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import { updateCommand } from '../release/daily-check.ts';
import { compareVersions } from '../release/manifest.ts';
import { readUpdateState } from '../release/update-state.ts';
import { fromNow } from '../times.ts';
import { type Finding, ok } from './finding.ts';

/** So long nobody may have been at a terminal. */
const longSeconds = 7 * 86_400;

export async function checkUpdates(context: SallyContext): Promise<Finding> {
  const { environment, paths, now } = context;
  try {
    const { on, asked_at, seen } = await readUpdateState(paths);
    if (!on) return ok('updates', 'not looked for (sally update-check on)');
    if ((environment.build?.releaseKeys ?? []).length === 0) {
      return warning(
        'Newer versions are to be looked for, but this sally was built without a key for releases.',
        'sally update-check off, or install a release',
      );
    }
    if (seen && compareVersions(seen.version, environment.version ?? '0.0.0') > 0) {
      return warning(`Version ${seen.version} is there.`, updateCommand(context, seen.version));
    }
    if (asked_at !== null && nowSeconds(context) - asked_at > longSeconds) {
      return warning(
        `Newer versions were last looked for ${fromNow(asked_at, now())}.`,
        'sally update-check now',
      );
    }
    return ok('updates', asked_at === null ? 'not looked for yet' : 'this is the newest that is known');
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    return warning(error.message, 'sally update-check on, once the file is gone');
  }
}

function warning(says: string, fix: string): Finding {
  return { check: 'updates', outcome: 'warning', says, fix };
}
