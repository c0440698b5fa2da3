import { resolve } from 'node:path';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printTable } from '../print-table.ts';
import { endBastion, keepBastion, keptBastions, longestSeconds } from '../reach/bastions.ts';
import { parseBastion } from '../reach/jump-config.ts';
import { configFileOf } from '../reach/prepare-ssh.ts';
import { fromNow } from '../times.ts';

/** `sally bastion open`: one login to it, which `sally ssh --jump` then uses until the time is over. */
export async function bastionOpen(
  context: SallyContext,
  destination: string,
  { ttl, gatewayKey }: { readonly ttl: number; readonly gatewayKey?: string },
): Promise<ExitName | number> {
  const { terminal, environment } = context;
  if (ttl < 10 || ttl > longestSeconds) {
    throw new SallyportError('settings_invalid', '--ttl is from 10s to 240m.');
  }
  const kept = await keepBastion(context, {
    bastion: parseBastion(destination),
    key: gatewayKey === undefined ? undefined : resolve(environment.folder ?? '/', gatewayKey),
    ttlSeconds: ttl,
    configFile: await configFileOf(context),
  });
  if (!kept) return 255;
  terminal.print(`Open to ${destination}, closed ${fromNow(kept.ends_at, context.now())}.`);
  terminal.print(`Next: sally ssh --jump ${destination} NAME`);
  return 'done';
}

export async function bastionList(
  context: SallyContext,
  { json }: { readonly json?: boolean },
): Promise<ExitName> {
  const kept = await keptBastions(context);
  if (json) {
    const documents = kept.map(({ destination, ends_at }) => ({ destination, ends_at }));
    context.terminal.print(JSON.stringify(documents, null, 2));
    return 'done';
  }
  const rows = kept.map(({ destination, ends_at }) => [destination, fromNow(ends_at, context.now())]);
  if (rows.length === 0) context.terminal.print('There is no open bastion.');
  else printTable(context, ['BASTION', 'CLOSED'], rows);
  return 'done';
}

/** One, or all. */
export async function bastionClose(
  context: SallyContext,
  destination: string | undefined,
): Promise<ExitName> {
  const kept = (await keptBastions(context)).filter(
    (one) => destination === undefined || one.destination === destination,
  );
  if (kept.length === 0 && destination !== undefined) {
    throw new SallyportError('not_found', 'None is open to there. Those that are: sally bastion list');
  }
  const configFile = await configFileOf(context);
  for (const one of kept) await endBastion(context, one, configFile);
  return 'done';
}
