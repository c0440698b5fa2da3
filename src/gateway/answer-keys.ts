/**
 * Answers sshd's AuthorizedKeysCommand: registered keys, which are in the state. As with certificates, being asked is not
 * being authenticated: that the client holds the key is sshd's to find out.
 */
import { admit } from './admit.ts';
import type { Answering } from './answering.ts';
import type { Log } from './log.ts';
import type { Offer } from './offered-certificate.ts';
import { readKey } from './registered-keys.ts';

const noAnswer = '';

/** @param form ppid, user and key (base64 of its blob), as sshd's configuration sends them */
export function answerKeys(answering: Answering, form: URLSearchParams): string {
  const { listener, log, current } = answering;
  const user = form.get('user') ?? '';
  const basis = current();
  if (basis === undefined) return deny(log, user, 'there is no state to decide from');
  // First, since whoever tries all the keys of an agent is asked about with each, a certificate too.
  const offer = readKey(form.get('key') ?? '', basis.facts);
  if (offer === undefined) return noAnswer;

  const monitor = listener.monitor(Number(form.get('ppid')));
  if (monitor === undefined)
    return deny(log, user, 'the question did not come from a connection of this sshd', offer);

  const admission = admit(answering, { monitor, offer, user }, basis);
  if (admission === undefined) {
    return deny(log, user, 'there is nothing here that the account may see', offer);
  }
  return `${admission.options} ${offer.sourceText}\n`;
}

function deny(log: Log, user: string, message: string, offer?: Offer): string {
  const facts = { user, account: offer?.account ?? null, session: offer?.sessionId ?? null };
  log({ level: 'info', event: 'offer.denied', message, facts });
  return noAnswer;
}
