import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { writeFileAtomically } from '../../files/write-file.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { appName } from '../reach/choose.ts';
import { findTargets, type Selection } from '../reach/find-target.ts';
import { findLink, linkFile, linkText } from '../reach/linked-app.ts';
import { seenTargets } from '../reach/seen-targets.ts';

/** Says which app this folder is of, for every command that is given no name. */
export async function link(
  context: SallyContext,
  { remove, show, ...selection }: Selection & { readonly remove?: boolean; readonly show?: boolean },
): Promise<ExitName> {
  const { environment, terminal } = context;
  const { folder } = environment;
  if (!folder) throw new SallyportError('settings_invalid', 'The folder that you are in is gone.');
  if (remove || show) return await earlier(context, folder, remove ?? false);
  const seen = await seenTargets(context);
  const found = await findTargets(context, seen, selection);
  const [first, ...others] = found;
  const apps = [...new Set(found.map(appName))];
  if (!first || (others.length > 0 && apps.length > 1)) {
    throw new SallyportError('name_refused', `Several apps fit. Name one of them:\n${apps.join('\n')}`);
  }
  const path = join(folder, linkFile);
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomically(path, linkText(pathOf(first)), { mode: 0o644 });
  terminal.print(`Linked ${folder} to ${appName(first)}: ${path}`);
  terminal.say('Next: sally ssh');
  return 'done';
}

function pathOf({ project, environment, app }: { project: string; environment: string; app: string }) {
  return { project, environment, app };
}

async function earlier({ terminal }: SallyContext, folder: string, remove: boolean): Promise<ExitName> {
  const found = await findLink(folder);
  if (!found) throw new SallyportError('not_found', 'Neither this folder nor one above it is linked.');
  const { project, environment, app } = found.app;
  if (remove) await rm(found.path);
  terminal.print(`${remove ? 'Unlinked' : 'Linked to'} ${project}-${environment}--${app}: ${found.path}`);
  return 'done';
}
