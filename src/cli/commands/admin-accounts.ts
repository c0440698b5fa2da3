import { accountDocument, accountList, newAccount } from '../../api/accounts.ts';
import { sessionsEnded } from '../../api/sessions.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { isAccountName } from '../../ssh/names.ts';
import { confirmed } from '../confirmed.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printSessionsEnded } from '../print-sessions.ts';
import { printTable } from '../print-table.ts';
import { printable } from '../printable.ts';
import { callSignedIn } from '../signed-in.ts';
import { fromNow } from '../times.ts';
import { wellFormed } from '../well-formed.ts';

interface JsonOption {
  readonly json?: boolean;
}

export async function accountsList(context: SallyContext, { json }: JsonOption): Promise<ExitName> {
  const { terminal } = context;
  const { accounts } = await callSignedIn(context, {
    method: 'GET',
    path: '/v1/accounts',
    reply: accountList,
  });
  if (json) {
    terminal.print(JSON.stringify({ accounts }, null, 2));
    return 'done';
  }
  const now = context.now();
  const rows = accounts.map((account) => [
    account.name,
    account.kind,
    account.disabled ? 'disabled' : 'enabled',
    account.role ?? '-',
    String(account.live_sessions),
    account.break_glass === null ? '-' : `admin, over ${fromNow(account.break_glass.expires_at, now)}`,
    account.groups.map(printable).join(' ') || '-',
    printable(account.display_name),
  ]);
  const head = ['ACCOUNT', 'KIND', 'STATE', 'ROLE', 'SESSIONS', 'EMERGENCY', 'GROUPS', 'NAME'];
  printTable(context, head, rows);
  return 'done';
}

export async function accountsDisable(
  context: SallyContext,
  account: string,
  { json, yes }: JsonOption & { readonly yes?: boolean },
): Promise<ExitName> {
  const path = accountPath(account, 'disable');
  if (!yes) await confirmed(context, `End everything of ${account}, and refuse its logins?`);
  const reply = await callSignedIn(context, { method: 'POST', path, reply: sessionsEnded });
  if (json) context.terminal.print(JSON.stringify(reply));
  else printSessionsEnded(context, reply);
  return 'done';
}

export async function accountsEnable(
  context: SallyContext,
  account: string,
  { json }: JsonOption,
): Promise<ExitName> {
  const path = accountPath(account, 'enable');
  const reply = await callSignedIn(context, { method: 'POST', path, reply: accountDocument });
  if (json) context.terminal.print(JSON.stringify(reply, null, 2));
  else context.terminal.print(`${reply.name} may log in again.`);
  return 'done';
}

export async function createMachine(
  context: SallyContext,
  account: string,
  { json, displayName }: JsonOption & { readonly displayName?: string },
): Promise<ExitName> {
  const body = wellFormed(newAccount, {
    name: account,
    kind: 'machine',
    display_name: displayName ?? account,
  });
  const made = await callSignedIn(context, {
    method: 'POST',
    path: '/v1/accounts',
    body,
    reply: accountDocument,
  });
  const { terminal } = context;
  if (json) terminal.print(JSON.stringify(made, null, 2));
  else {
    terminal.print(`${made.name} is a machine's account.`);
    terminal.print(`Next: ${terminal.bold(`sally token create NAME --account ${made.name}`)}`);
  }
  return 'done';
}

function accountPath(account: string, act: 'disable' | 'enable'): string {
  if (isAccountName(account)) return `/v1/accounts/${encodeURIComponent(account)}/${act}`;
  throw new SallyportError('name_refused', 'An account looks like alice@example.com.');
}
