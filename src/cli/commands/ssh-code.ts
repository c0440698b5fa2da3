import { sshCodeReply } from '../../api/ssh-codes.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { isTargetName } from '../../ssh/names.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printable } from '../printable.ts';
import { callSignedIn } from '../signed-in.ts';
import { hostSuffix } from '../ssh-config-text.ts';
import { fromNow } from '../times.ts';

export interface SshCodeOptions {
  readonly uses: number;
  readonly bind?: string;
  readonly json?: boolean;
}

/** The code alone goes to stdout, so that a script can take it. */
export async function sshCode(
  context: SallyContext,
  { uses, bind, json }: SshCodeOptions,
): Promise<ExitName> {
  const { terminal } = context;
  const target = bind?.replace(new RegExp(`\\.${hostSuffix}$`), '') ?? null;
  if (target !== null && !isTargetName(target)) {
    throw new SallyportError('name_refused', 'A target name looks like shop-production--web.');
  }
  const reply = await callSignedIn(context, {
    method: 'POST',
    path: '/v1/ssh-codes',
    body: { uses, target },
    reply: sshCodeReply,
  });
  context.debug.redact(reply.code);
  if (json) {
    terminal.print(JSON.stringify(reply, null, 2));
    return 'done';
  }
  terminal.print(printable(reply.code));
  const times = reply.uses === 1 ? 'once' : `${reply.uses} times`;
  const where = reply.target === null ? '' : `, at ${reply.target} only`;
  terminal.tell(
    `For ${reply.account}, ${times}${where}; it is over ${fromNow(reply.expires_at, context.now())}.`,
  );
  return 'done';
}
