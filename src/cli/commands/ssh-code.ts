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
  /** The same as the argument. */
  readonly target?: string;
  readonly json?: boolean;
}

/** The code alone goes to stdout, so that a script can take it. */
export async function sshCode(
  context: SallyContext,
  argument: string | undefined,
  { uses, json, ...options }: SshCodeOptions,
): Promise<ExitName> {
  const { terminal } = context;
  const target = (argument ?? options.target ?? '').replace(new RegExp(`\\.${hostSuffix}$`), '');
  if (!isTargetName(target)) {
    throw new SallyportError(
      'name_refused',
      'A code is for one target. Name it, such as: sally ssh-code shop-production--web',
    );
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
  terminal.tell(
    `For ${reply.account} at ${reply.target}, ${times}; it is over ${fromNow(reply.expires_at, context.now())}.`,
  );
  terminal.tell(
    `Log in as ${reply.target} at your gateway's port for codes, and paste it when you are asked.`,
  );
  return 'done';
}
