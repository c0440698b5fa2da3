import { browserAddress } from '../browser-address.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { liveSession, readSession } from '../session-file.ts';

/** Passkeys are enrolled where they are used: in the browser. */
export async function passkeys(
  context: SallyContext,
  options: { readonly browser: boolean },
): Promise<ExitName> {
  const { terminal, debug, environment } = context;
  const server = new URL(liveSession(await readSession(context)).server);
  const address = browserAddress(new URL('/console/security', server), server);
  terminal.print(`Your passkeys and recovery codes: ${address}`);
  if (options.browser && !environment.headless) {
    await context.openBrowser(address).catch(() => debug.say('no browser could be opened'));
  }
  return 'done';
}
