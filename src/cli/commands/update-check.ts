/** `sally update-check`: whether there is a newer version. Off by default; it tells, and changes nothing. */
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { askForRelease, parseReleaseUrl } from '../release/ask-for-release.ts';
import { updateCommand } from '../release/daily-check.ts';
import { compareVersions } from '../release/manifest.ts';
import { readUpdateState, type UpdateState, writeUpdateState } from '../release/update-state.ts';
import { withStateLock } from '../state-folder.ts';
import { factLines } from '../terminal.ts';
import { momentText } from '../times.ts';

export async function updateCheck(
  context: SallyContext,
  what: 'on' | 'off' | 'now' | undefined,
  options: { readonly url?: string; readonly json?: boolean },
): Promise<ExitName> {
  if (options.url !== undefined && what !== 'on') {
    throw new SallyportError('settings_invalid', '--url goes with on: sally update-check on --url URL');
  }
  if (what === 'now') await askForRelease(context);
  if (what === 'on' || what === 'off') await switchTo(context, what === 'on', options.url);
  const state = await readUpdateState(context.paths);
  if (options.json) context.terminal.print(JSON.stringify(document(context, state), null, 2));
  else for (const line of lines(context, state)) context.terminal.print(line);
  return 'done';
}

async function switchTo({ paths }: SallyContext, on: boolean, address: string | undefined): Promise<void> {
  const url = address === undefined ? null : parseReleaseUrl(address).href;
  await withStateLock(paths, async () => {
    await writeUpdateState(paths, { ...(await readUpdateState(paths)), on, ...(on && { url }) });
  });
}

function newest({ environment }: SallyContext, { seen }: UpdateState): string | undefined {
  return seen && compareVersions(seen.version, environment.version ?? '0.0.0') > 0 ? seen.version : undefined;
}

function lines(context: SallyContext, state: UpdateState): string[] {
  const newer = newest(context, state);
  const where = state.url ?? 'the server that you are logged in at';
  const asked = state.asked_at === null ? 'never' : momentText(state.asked_at, context.now());
  return [
    ...factLines([
      ['Automatic', state.on ? 'once a day, at a terminal' : 'off (sally update-check on)'],
      ['Asks', where],
      ['Last asked', asked],
      ['This is', context.environment.version ?? 'unknown'],
      ['Newest', state.seen?.version ?? 'not known (sally update-check now)'],
    ]),
    ...(newer ? [`To update: ${updateCommand(context, newer)}`] : []),
  ];
}

function document(context: SallyContext, state: UpdateState) {
  const newer = newest(context, state);
  return {
    on: state.on,
    url: state.url,
    asked_at: state.asked_at,
    version: context.environment.version ?? null,
    newest: state.seen?.version ?? null,
    update: newer ? { version: newer, command: updateCommand(context, newer) } : null,
  };
}
