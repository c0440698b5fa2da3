import { type ExplainReply, explainReply } from '../../api/explain.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { isTargetName } from '../../ssh/names.ts';
import type { SallyContext } from '../context.ts';
import { ensureCertificate } from '../ensure-certificate.ts';
import type { ExitName } from '../exit-codes.ts';
import { printable, printableLines } from '../printable.ts';
import { callSignedIn } from '../signed-in.ts';
import { sshCommand } from '../ssh-command.ts';
import { hostSuffix } from '../ssh-config-text.ts';
import { momentOf } from '../times.ts';

interface ExplainOptions {
  readonly json?: boolean;
  readonly account?: string;
  readonly withoutMfa?: boolean;
  readonly mfaAge?: number;
  readonly role?: string;
  readonly at?: string;
  readonly asToken?: boolean;
}

/**
 * Would one get in, and if not, why: what a jump through a gateway cannot say.
 * @param names a target, or an account and a target
 */
export async function explain(
  context: SallyContext,
  names: readonly string[],
  options: ExplainOptions,
): Promise<ExitName> {
  const { terminal } = context;
  const { account, target } = readNames(names, options);
  const query = queryOf(account, target, options, context.now());
  const reply = await callSignedIn(context, {
    method: 'GET',
    path: `/v1/explain?${query}`,
    reply: explainReply,
  });
  // Nothing tells sally that ssh was refused, so it finds out here that its certificate opens nothing any more.
  if (reply.renew) await renew(context);
  if (options.json) terminal.print(JSON.stringify(reply, null, 2));
  else print(context, reply, account === undefined);
  return reply.allowed ? 'done' : 'refused';
}

function readNames(
  names: readonly string[],
  options: ExplainOptions,
): { account: string | undefined; target: string } {
  const target = (names.at(-1) ?? '').replace(new RegExp(`\\.${hostSuffix}$`), '');
  if (!isTargetName(target)) {
    throw new SallyportError(
      'name_refused',
      'A target name looks like shop-production--web. Those that you may see: sally ls',
    );
  }
  const accounts = [...names.slice(0, -1), ...(options.account === undefined ? [] : [options.account])];
  if (accounts.length > 1) {
    throw new SallyportError(
      'settings_invalid',
      'Name one account at most: before the target, or with --account.',
    );
  }
  return { account: accounts[0], target };
}

function queryOf(
  account: string | undefined,
  target: string,
  { withoutMfa, mfaAge, role, at, asToken }: ExplainOptions,
  now: Date,
): URLSearchParams {
  const asked: Record<string, string | undefined> = {
    target,
    account,
    without_mfa: withoutMfa ? 'true' : undefined,
    mfa_age: mfaAge?.toString(),
    role,
    at: at === undefined ? undefined : new Date(momentOf(at, now) * 1000).toISOString(),
    as_token: asToken ? 'true' : undefined,
  };
  return new URLSearchParams(
    Object.entries(asked).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function print(context: SallyContext, reply: ExplainReply, isOneself: boolean): void {
  const { terminal } = context;
  const { allowed, account, target, assumed } = reply;
  if (allowed) terminal.print(`${terminal.good('Allowed')}: ${account} may reach ${target}.`);
  else {
    for (const line of printableLines(reply.text)) terminal.say(line);
    if (reply.text === '') for (const { message } of reply.reasons) terminal.say(printable(message));
  }
  if (assumed.length > 0) terminal.print(`Assumed: ${printable(assumed.join(', '))}`);
  if (!allowed || !isOneself || assumed.length > 1) return;
  terminal.print(`Next: ${terminal.bold(sshCommand(context, `${target}.${hostSuffix}`))}`);
}

/** @throws what the server has against it */
async function renew(context: SallyContext): Promise<void> {
  const outcome = await ensureCertificate(context, { force: true });
  if ('error' in outcome) throw outcome.error;
  context.terminal.tell(
    'sally: the key that had signed your certificate is not trusted any more. You have a new certificate now.',
  );
}
