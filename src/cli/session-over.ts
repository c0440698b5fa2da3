/** What is left when the server has said that the session is over. */
import type { SallyportError } from '../errors/sallyport-error.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import { useNoIdentity } from './current-pair.ts';
import { narrowedHere } from './narrowed-paths.ts';
import { renewNoMore } from './schedule.ts';
import { readSession, writeSession } from './session-file.ts';

/** Whether the error means the end of the session, and not a passing trouble or a refusal of this one request. */
export function endedByServer({ code }: SallyportError): boolean {
  return code === 'session_ended' || code === 'grant_invalid';
}

/**
 * Forgets the tokens and stops offering the certificate: what ends a session revokes its certificates too, and sshd
 * (9.8 and later) makes everybody behind an address wait for one who offers a revoked one again and again. The caller
 * holds the state lock.
 */
export async function rememberOver(context: SallyContext): Promise<void> {
  const { paths, debug } = context;
  const session = await readSession(context);
  if (!session) return;
  debug.say('the server says that the session is over');
  await writeSession(context, {
    ...session,
    tokens: null,
    over_since: session.over_since ?? nowSeconds(context),
  });

  for (const each of [paths, ...(await narrowedHere(paths))]) {
    await useNoIdentity(each);
    await renewNoMore(each, 'over');
  }
  // Only now, and only here: an ssh that finds everything in order need not load this.
  const { forgetAgentKeys } = await import('./end-programs.ts');
  await forgetAgentKeys(context);
}
