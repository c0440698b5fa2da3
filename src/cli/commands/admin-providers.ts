import { z } from 'zod';
import { identityProviderDocument } from '../../api/identity-providers.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printTable } from '../print-table.ts';
import { printable } from '../printable.ts';
import { callSignedIn } from '../signed-in.ts';

export async function providersList(
  context: SallyContext,
  options: { readonly json?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  const { identity_providers } = await callSignedIn(context, {
    method: 'GET',
    path: '/v1/identity-providers',
    reply: z.strictObject({ identity_providers: z.array(identityProviderDocument) }),
  });
  if (options.json) {
    terminal.print(JSON.stringify({ identity_providers }, null, 2));
    return 'done';
  }
  const rows = identity_providers.map((provider) => [
    provider.slug,
    text(provider.settings['name']),
    text(provider.settings['issuer']),
    provider.enabled ? 'enabled' : 'disabled',
    provider.source,
    printable(provider.redirect_uri),
  ]);
  printTable(context, ['PROVIDER', 'NAME', 'ISSUER', 'STATE', 'SET UP IN', 'REDIRECT URI'], rows);
  return 'done';
}

function text(value: unknown): string {
  return typeof value === 'string' ? printable(value) : '-';
}
