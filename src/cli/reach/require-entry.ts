/** Whether a target lets the person in now, with a stronger login in the middle where that helps. */
import type { SeenTarget } from '../../api/targets.ts';
import type { SallyContext } from '../context.ts';
import { afterStepUp } from '../step-up.ts';
import { requireAllowed } from './find-target.ts';
import { type Seen, seenTargets } from './seen-targets.ts';

/** @returns the target as it is seen after a login, if there was one @throws access_denied */
export async function requireEntry(
  context: SallyContext,
  seen: Seen,
  target: SeenTarget,
): Promise<SeenTarget> {
  let current: SeenTarget | undefined = target;
  let isFirst = true;
  await afterStepUp(context, async () => {
    if (!isFirst) {
      const { targets } = await seenTargets(context);
      current = targets.find(({ name }) => name === target.name);
    }
    isFirst = false;
    requireAllowed(current ?? { ...target, allowed: false });
  });
  context.debug.say(`${target.name} lets ${seen.account} in`);
  return current;
}
