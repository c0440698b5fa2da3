import type { SallyContext } from '../context.ts';
import type { DpopNonce } from '../dpop-nonce.ts';
import { sender } from './send-request.ts';
import { connectionOf } from './server-connection.ts';

/** By what a run has one of for each profile, so that its requests share connections. */
const senders = new WeakMap<DpopNonce, ReturnType<typeof sender>>();

/** Sends over connections of the context's profile. */
export function senderOf(context: SallyContext): ReturnType<typeof sender> {
  const known = senders.get(context.nonce);
  if (known) return known;
  const made = sender(connectionOf(context));
  senders.set(context.nonce, made);
  return made;
}
