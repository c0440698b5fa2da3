import { SallyportError } from '../errors/sallyport-error.ts';
import { helpfulCommand, isKeyRefused, type Reasons, stepUpFor } from '../policy/reasons.ts';

/**
 * What policy refuses a session, for whoever asked in its name. Where logging in again helps, the session is what is
 * wrong: it has ended, or it has no second factor that will do, which the client is told as RFC 9470 section 3 has it.
 */
export function policyRefusal(reasons: Reasons): SallyportError {
  const command = helpfulCommand(reasons);
  const sentences = reasons.map(({ message }) => message);
  if (command !== null) sentences.push(`Run: ${command}`);
  const members = { reasons: reasons.map(({ code }) => code), command };
  const needed = stepUpFor(reasons);
  if (needed !== undefined) {
    return new SallyportError('insufficient_user_authentication', sentences.join(' '), {
      members: { ...needed, ...members },
    });
  }
  const isOver = command !== null && !isKeyRefused(reasons);
  return new SallyportError(isOver ? 'session_ended' : 'access_denied', sentences.join(' '), { members });
}
