import { explainReply } from '../../api/explain.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { isTargetName } from '../../ssh/names.ts';
import type { SallyContext } from '../context.ts';
import { ensureCertificate } from '../ensure-certificate.ts';
import type { ExitName } from '../exit-codes.ts';
import { printable, printableLines } from '../printable.ts';
import { callSignedIn } from '../signed-in.ts';
import { sshCommand } from '../ssh-command.ts';
import { hostSuffix } from '../ssh-config-text.ts';

/** Would one get in, and if not, why: what a jump through a gateway cannot say. */
export async function explain(
  context: SallyContext,
  name: string,
  options: { readonly json?: boolean; readonly account?: string },
): Promise<ExitName> {
  const { terminal } = context;
  const target = name.replace(new RegExp(`\\.${hostSuffix}$`), '');
  if (!isTargetName(target)) {
    throw new SallyportError(
      'name_refused',
      'A target name looks like shop-production--web. Those that you may reach: sally ssh-config show',
    );
  }
  const query = new URLSearchParams({ target, ...(options.account && { account: options.account }) });
  const reply = await callSignedIn(context, {
    method: 'GET',
    path: `/v1/explain?${query}`,
    reply: explainReply,
  });
  // Nothing tells sally that ssh was refused, so it finds out here that its certificate opens nothing any more.
  if (reply.renew) await renew(context);
  if (options.json) terminal.print(JSON.stringify(reply, null, 2));
  else if (reply.allowed) {
    terminal.print(`${terminal.good('Allowed')}: ${reply.account} may reach ${reply.target}.`);
    if (!options.account) {
      terminal.print(`Next: ${terminal.bold(sshCommand(context, `${reply.target}.${hostSuffix}`))}`);
    }
  } else {
    for (const line of printableLines(reply.text)) terminal.print(line);
    if (reply.text === '') for (const { message } of reply.reasons) terminal.print(printable(message));
  }
  return reply.allowed ? 'done' : 'refused';
}

/** @throws what the server has against it */
async function renew(context: SallyContext): Promise<void> {
  const outcome = await ensureCertificate(context, { force: true });
  if ('error' in outcome) throw outcome.error;
  context.terminal.tell(
    'sally: the key that had signed your certificate is not trusted any more. You have a new certificate now.',
  );
}
