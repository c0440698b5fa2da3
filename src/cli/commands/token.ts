import {
  type ApiTokenDocument,
  apiTokenList,
  apiTokenRequest,
  credentialRevocation,
  newApiToken,
} from '../../api/api-tokens.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printTable } from '../print-table.ts';
import { printable } from '../printable.ts';
import { callSignedIn } from '../signed-in.ts';
import { fromNow, momentText } from '../times.ts';
import { wellFormed } from '../well-formed.ts';

const list = { method: 'GET', path: '/v1/api-tokens', reply: apiTokenList } as const;

export interface TokenCreateOptions {
  readonly role: 'viewer' | 'contributor' | 'admin';
  readonly expires?: number;
  readonly from?: readonly string[];
  readonly account?: string;
  readonly json?: boolean;
}

/** The token alone goes to stdout, so that a script can take it. */
export async function tokenCreate(
  context: SallyContext,
  name: string,
  options: TokenCreateOptions,
): Promise<ExitName> {
  const { terminal } = context;
  const body = wellFormed(apiTokenRequest, {
    name,
    role_limit: options.role,
    source_ranges: options.from ?? [],
    ...(options.expires !== undefined && { expires_in_seconds: options.expires }),
    ...(options.account !== undefined && { account: options.account }),
  });
  const created = await callSignedIn(context, {
    method: 'POST',
    path: '/v1/api-tokens',
    body,
    reply: newApiToken,
  });
  context.debug.redact(created.token);
  if (options.json) {
    terminal.print(JSON.stringify(created, null, 2));
    return 'done';
  }
  const { api_token: made } = created;
  terminal.print(printable(created.token));
  const until = momentText(made.expires_at, context.now());
  terminal.tell(
    `This token is shown only now. It is ${made.account}, as ${made.role_limit} at most, until ${until}. To use it: SALLY_TOKEN=... sally ssh-config install`,
  );
  return 'done';
}

export async function tokenList(
  context: SallyContext,
  options: { readonly json?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  const { api_tokens } = await callSignedIn(context, list);
  if (options.json) {
    terminal.print(JSON.stringify({ api_tokens }, null, 2));
    return 'done';
  }
  if (api_tokens.length === 0) {
    terminal.print('There is no token. To make one: sally token create NAME');
    return 'done';
  }
  const now = context.now();
  const rows = api_tokens.map((token) => [
    token.id,
    printable(token.name),
    token.account,
    token.role_limit,
    token.revoked_at === null ? fromNow(token.expires_at, now) : 'revoked',
    token.last_used_at === null ? 'never' : fromNow(token.last_used_at, now),
    printable(token.hint),
    token.source_ranges.map(printable).join(' ') || 'anywhere',
  ]);
  printTable(context, ['ID', 'NAME', 'ACCOUNT', 'ROLE', 'ENDS', 'USED', 'BEGINS', 'FROM'], rows);
  return 'done';
}

export async function tokenRevoke(
  context: SallyContext,
  which: string,
  options: { readonly json?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  const { api_tokens } = await callSignedIn(context, list);
  const { id, name } = choose(api_tokens, which, nowSeconds(context));
  const reply = await callSignedIn(context, {
    method: 'POST',
    path: `/v1/api-tokens/${id}/revoke`,
    reply: credentialRevocation,
  });
  if (options.json) terminal.print(JSON.stringify(reply, null, 2));
  else
    terminal.say(
      `${terminal.good('Revoked')} ${printable(name)}; sessions ended with it: ${reply.sessions_ended}.`,
    );
  return 'done';
}

function choose(tokens: readonly ApiTokenDocument[], which: string, now: number): ApiTokenDocument {
  const live = tokens.filter(({ revoked_at, expires_at }) => revoked_at === null && expires_at > now);
  const found = live.filter(({ id, name }) => id === which || name === which);
  const [first] = found;
  if (first && found.length === 1) return first;
  throw new SallyportError(
    'not_found',
    first
      ? 'Several tokens have this name. Give the id: sally token list'
      : 'There is no live token with this id or name. The tokens: sally token list',
  );
}
