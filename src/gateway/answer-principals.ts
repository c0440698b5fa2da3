/**
 * Answers sshd's AuthorizedPrincipalsCommand from memory. An empty answer denies. The connection is registered, on disk,
 * before the answer leaves.
 */
import { isSallyportError } from '../errors/sallyport-error.ts';
import { admit } from './admit.ts';
import type { Answering } from './answering.ts';
import type { Basis } from './decision-basis.ts';
import type { Log } from './log.ts';
import { type Offer, principalOf, readOffer } from './offered-certificate.ts';

const noAnswer = '';

/** @param form ppid, user and key, as sshd's configuration sends them */
export function answerPrincipals(answering: Answering, form: URLSearchParams): string {
  const { listener, log, domain, current } = answering;
  const user = form.get('user') ?? '';
  const basis = current();
  if (basis === undefined) return deny(log, user, 'there is no state to decide from');

  const monitor = listener.monitor(Number(form.get('ppid')));
  if (monitor === undefined)
    return deny(log, user, 'the question did not come from a connection of this sshd');

  let offer: Offer;
  try {
    offer = readOffer(form.get('key') ?? '', offerChecks(basis, domain));
  } catch (error) {
    if (isSallyportError(error)) return deny(log, user, error.message);
    throw error;
  }

  const admission = admit(answering, { monitor, offer, user }, basis);
  if (admission === undefined) {
    return deny(log, user, 'there is nothing here that the account may see', offer);
  }
  return `${admission.options} ${principalOf(offer, basis.facts.state.companion.name)}\n`;
}

function offerChecks({ checked, facts }: Basis, domain: string) {
  const { state, nowSeconds } = facts;
  const publicOrigin = new URL(state.public_url).origin;
  return { ...checked, machine: state.companion.name, domain, publicOrigin, nowSeconds };
}

function deny(log: Log, user: string, message: string, offer?: Offer): string {
  const facts = { user, account: offer?.account ?? null, session: offer?.sessionId ?? null };
  log({ level: 'info', event: 'offer.denied', message, facts });
  return noAnswer;
}
