/** How sally itself is set up: what renews ahead of time, the proxy of the environment, the rules of cryptography. */
import { getFips } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { isSallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { proxyFor } from '../network/proxy.ts';
import { printable } from '../printable.ts';
import { readTunnels } from '../tunnels/tunnel-store.ts';
import { type Finding, ok } from './finding.ts';

export async function checkHelper(context: SallyContext): Promise<Finding[]> {
  const { environment, paths } = context;
  const found: Finding[] = [];
  try {
    proxyFor(environment.proxies ?? {}, 'gateway.invalid');
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    found.push({ check: 'helper', outcome: 'problem', says: error.message, fix: 'Correct the variable' });
  }
  for (const { id, status, why } of await readTunnels(context)) {
    if (status !== 'failed' && status !== 'refused') continue;
    found.push({
      check: 'helper',
      outcome: 'warning',
      says: `The tunnel ${id} is over: ${printable(why ?? status)}`,
      fix: `sally tunnel info; to forget it: sally tunnel close ${id}`,
    });
  }
  const timer = await timerFiles(context);
  if (timer.some(({ isThere }) => isThere) && !timer.every(({ isThere }) => isThere)) {
    const missing = timer.find(({ isThere }) => !isThere)?.path;
    found.push({
      check: 'helper',
      outcome: 'warning',
      says: `The timer is half installed: ${missing} is missing, so nothing renews ahead of time.`,
      fix: 'sally timer install',
    });
  }
  if (found.length > 0) return found;
  const { version = '?', program } = environment;
  const facts = [
    `sally ${version}`,
    ...(paths.profile === 'default' ? [] : [`profile ${paths.profile}`]),
    ...(timer.some(({ isThere }) => isThere) ? ['timer installed'] : []),
    ...(getFips() === 1 ? ['FIPS'] : []),
    ...(program.node === process.execPath ? [`Node ${process.versions.node}`] : []),
  ];
  return [ok('helper', facts.join(', '))];
}

async function timerFiles(context: SallyContext): Promise<{ path: string; isThere: boolean }[]> {
  try {
    const { systemTimer } = await import('../timer/system-timer.ts');
    const { files } = systemTimer(context, 0);
    return await Promise.all(
      files.map(async ({ path }) => ({
        path,
        isThere: (await lstat(path).catch(() => undefined)) !== undefined,
      })),
    );
  } catch (error) {
    // A system without such timers has none that could be broken.
    if (!isSallyportError(error)) throw error;
    return [];
  }
}
