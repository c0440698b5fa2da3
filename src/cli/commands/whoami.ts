import { ownSession } from '../../api/sessions.ts';
import type { SallyContext } from '../context.ts';
import { currentPair } from '../current-pair.ts';
import type { ExitName } from '../exit-codes.ts';
import { keyInUse, keyText, secretsText } from '../hardware/key-in-use.ts';
import { printable } from '../printable.ts';
import { secondFactorText } from '../second-factor-text.ts';
import { readSessionFacts } from '../session-file.ts';
import { callSignedIn } from '../signed-in.ts';
import { factLines, terminalColumns } from '../terminal.ts';
import { fromNow, momentText } from '../times.ts';

const kinds = {
  helper: 'a person, by sally',
  browser: 'a person, by browser',
  token: 'a machine, by an API token',
  ci: 'a machine, by a token of its CI system',
  key: 'a registered SSH key',
} as const;

/** Who the server thinks that one is. */
export async function whoami(context: SallyContext, options: { readonly json?: boolean }): Promise<ExitName> {
  const { terminal } = context;
  const own = await callSignedIn(context, { method: 'GET', path: '/v1/session', reply: ownSession });
  const here = await readSessionFacts(context);
  const key = here && (await keyInUse(here, await currentPair(context.paths)));
  if (options.json) {
    const ofHere = { key: key ?? null, secrets: here?.secrets ?? null };
    terminal.print(JSON.stringify({ ...own, ...ofHere }, null, 2));
    return 'done';
  }
  const { session, organization, role } = own;
  const now = context.now();
  const methods = session.amr.map(printable).join(', ') || 'not named';
  const facts = factLines(
    [
      ['Account', terminal.bold(session.account)],
      ...(own.account_number === undefined ? [] : [['Number', String(own.account_number)] as const]),
      ['Organization', organization],
      ['Role', role ?? 'none on the whole organization'],
      ['Session', session.id],
      [
        'Login',
        `${momentText(session.auth_time, now)} (${fromNow(session.auth_time, now)}), methods: ${methods}`,
      ],
      ['MFA', secondFactorText(session, now)],
      ...(session.provider === null ? [] : [['Provider', printable(session.provider)] as const]),
      ['Kind', kinds[session.kind]],
      ['Ends', `${momentText(session.expires_at, now)} (${fromNow(session.expires_at, now)})`],
      ['Connections', String(session.connections)],
      ...(key ? [['Key', keyText(key)] as const] : []),
      ...(here ? [['Secrets', secretsText(here.secrets)] as const] : []),
    ],
    terminalColumns(context.environment),
  );
  for (const line of facts) terminal.print(line);
  return 'done';
}
