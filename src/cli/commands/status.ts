import { certificateDocument } from '../certificate-document.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import { type CurrentPair, currentPair } from '../current-pair.ts';
import type { ExitName } from '../exit-codes.ts';
import { glanceAtSession, type SessionGlance } from '../glance-session.ts';
import { type KeyInUse, keyInUse, keyText, secretsText } from '../hardware/key-in-use.ts';
import { renewalDueAt } from '../schedule.ts';
import { secondFactorText } from '../second-factor-text.ts';
import { factLines, terminalColumns, wrappedLines } from '../terminal.ts';
import { fromNow, momentText } from '../times.ts';
import { hasIncludeLine } from '../user-config.ts';

/** What this machine knows, without asking the server. */
export async function status(context: SallyContext, options: { readonly json?: boolean }): Promise<ExitName> {
  const { paths, terminal } = context;
  const session = await glanceAtSession(context);
  const pair = await currentPair(paths);
  const key = session && (await keyInUse(session, pair));
  const installed = await hasIncludeLine(paths);
  const isLive = session?.has_tokens && session.expires_at > nowSeconds(context);

  const facts = { session, pair, key, installed };
  if (options.json) terminal.print(JSON.stringify(document(context, facts), null, 2));
  else for (const line of lines(context, facts)) terminal.print(line);
  return isLive ? 'done' : 'notLoggedIn';
}

interface Facts {
  readonly session: SessionGlance | undefined;
  readonly pair: CurrentPair | undefined;
  readonly key: KeyInUse | undefined;
  readonly installed: boolean;
}

function lines(context: SallyContext, { session, pair, key, installed }: Facts): string[] {
  const { terminal, paths, machine } = context;
  const columns = terminalColumns(context.environment);
  const config = installed ? `${paths.userConfig} includes it` : 'not installed: sally ssh-config install';
  if (!session) {
    const who = machine
      ? `${machine.source} makes this a machine, which has no certificate yet. Run: sally ssh-config install`
      : 'Nobody is logged in. Run: sally login';
    return [...wrappedLines(terminal.typed(who), columns), ...factLines([['ssh config', config]], columns)];
  }
  const role = session.role === null ? session.organization : `${session.organization}, ${session.role}`;
  return factLines(
    [
      ['Account', `${terminal.bold(session.account)} (${role})`],
      ['Server', session.server],
      ['Session', terminal.typed(sessionText(context, session))],
      ['Certificate', terminal.typed(certificateText(context, session, pair))],
      ...(key ? [['Key', keyText(key)] as const] : []),
      ['Secrets', secretsText(session.secrets)],
      ['ssh config', config],
    ],
    columns,
  );
}

function sessionText(context: SallyContext, session: SessionGlance): string {
  const { terminal } = context;
  const now = context.now();
  if (session.over_since !== null) {
    return `${terminal.bad('over')} since ${momentText(session.over_since, now)} at the latest. Run: sally login`;
  }
  const factor = secondFactorText(session, now);
  const end = `${momentText(session.expires_at, now)} (${fromNow(session.expires_at, now)})`;
  if (session.expires_at <= nowSeconds(context)) return `${terminal.bad('expired')} ${end}. Run: sally login`;
  return `until ${end}, ${factor}`;
}

function certificateText(
  context: SallyContext,
  session: SessionGlance,
  pair: CurrentPair | undefined,
): string {
  const { terminal } = context;
  const now = context.now();
  const next = session.has_tokens ? 'sally cert ensure' : 'sally login';
  if (!pair) return `none. Run: ${next}`;
  const end = `${momentText(pair.validBefore, now)} (${fromNow(pair.validBefore, now)})`;
  if (pair.validBefore <= nowSeconds(context)) return `${terminal.bad('expired')} ${end}. Run: ${next}`;
  const renewal = session.has_tokens ? `, renewed by ssh from ${momentText(renewalDueAt(pair), now)} on` : '';
  return `until ${end}${renewal}`;
}

function document({ paths }: SallyContext, { session, pair, key, installed }: Facts) {
  return {
    server: session?.server ?? null,
    account: session?.account ?? null,
    organization: session?.organization ?? null,
    session: session
      ? {
          id: session.session_id,
          expires_at: session.expires_at,
          mfa: session.mfa,
          mfa_by: session.mfa_by,
          mfa_time: session.mfa_time,
          provider: session.provider,
          mode: session.mode,
          amr: session.amr,
          over_since: session.over_since,
        }
      : null,
    certificate: pair ? certificateDocument(pair) : null,
    key: key ?? null,
    secrets: session?.secrets ?? null,
    ssh_config: { installed, path: paths.userConfig },
  };
}
