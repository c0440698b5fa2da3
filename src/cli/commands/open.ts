/** `sally open`: a page of the console in the browser, or its address where there is none. */
import { browserAddress } from '../browser-address.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { findTarget, type Selection } from '../reach/find-target.ts';
import { seenTargets } from '../reach/seen-targets.ts';
import { sessionHere } from '../tunnels/new-tunnel.ts';

export interface OpenOptions extends Selection {
  /** No browser, only the address. */
  readonly print?: boolean | undefined;
}

const pages: Readonly<Record<string, string>> = { console: '/console', account: '/console/security' };

export async function open(context: SallyContext, { print, ...selection }: OpenOptions): Promise<ExitName> {
  const { terminal, environment, debug } = context;
  const server = new URL((await sessionHere(context)).server);
  const path = Object.hasOwn(pages, selection.name ?? '')
    ? (pages[selection.name ?? ''] ?? '')
    : `/console/targets/${(await findTarget(context, await seenTargets(context), selection)).name}`;
  const address = browserAddress(new URL(path, server), server);
  if (print || environment.headless) {
    terminal.print(address);
    return 'done';
  }
  try {
    await context.openBrowser(address);
    terminal.tell(`sally: opened in the browser: ${address}`);
  } catch (error) {
    debug.say(`no browser: ${error instanceof Error ? error.message : String(error)}`);
    terminal.print(address);
  }
  return 'done';
}
