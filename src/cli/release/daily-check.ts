/** What a command that was done says at most once a day, where the person wanted it: that there is a newer version. */
import { nowSeconds, type SallyContext } from '../context.ts';
import { askForRelease } from './ask-for-release.ts';
import { howToUpdate } from './how-to-update.ts';
import { compareVersions } from './manifest.ts';
import { readUpdateState } from './update-state.ts';

const daySeconds = 86_400;
/** Nobody waits for this. */
const patienceMilliseconds = 2_000;

/** Never in a script, never for a machine; whatever goes wrong is for the debug log only. */
export async function dailyCheck(context: SallyContext): Promise<void> {
  const { environment, machine, paths, terminal, debug } = context;
  if (machine || !environment.isTerminal || !environment.stdinIsTerminal || !environment.build) return;
  try {
    const { on, asked_at } = await readUpdateState(paths);
    const age = nowSeconds(context) - (asked_at ?? 0);
    if (!on || (age >= 0 && age < daySeconds)) return;
    const { version } = await askForRelease({ ...context, paths, patienceMilliseconds });
    if (compareVersions(version, environment.version ?? '0.0.0') <= 0) return;
    terminal.tell(`sally: version ${version} is there. To update: ${updateCommand(context, version)}`);
  } catch (error) {
    debug.say(`update check: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function updateCommand({ environment }: SallyContext, version: string): string {
  const { packaging, architecture } = environment.build ?? { packaging: 'source', architecture: '' };
  return howToUpdate(packaging, environment.program.entry, version, architecture);
}
