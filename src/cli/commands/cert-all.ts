import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printable } from '../printable.ts';
import { ensureAllProfiles } from '../timer/ensure-all.ts';

/** With --quiet for a timer: no word, and done even where nothing could be done. */
export async function certEnsureAll(
  context: SallyContext,
  { quiet }: { readonly quiet?: boolean },
): Promise<ExitName> {
  const { terminal, debug } = context;
  const outcomes = await ensureAllProfiles(context);
  for (const [name, outcome] of outcomes) {
    const line = `${name}: ${printable(outcome)}`;
    if (quiet) debug.say(`cert ensure, ${line}`);
    else terminal.print(line);
  }
  if (outcomes.size === 0 && !quiet) terminal.print('Nobody is logged in in any profile.');
  return 'done';
}
