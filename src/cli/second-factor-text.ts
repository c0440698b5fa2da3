/** Who vouched for the second factor, and when, in the words of a person. */
import type { StoredSession } from './session-file.ts';
import { fromNow } from './times.ts';

type SecondFactor = Pick<StoredSession, 'mfa' | 'mfa_by' | 'mfa_time' | 'amr'>;

export function secondFactorText({ mfa, mfa_by, mfa_time, amr }: SecondFactor, now: Date): string {
  if (!mfa) return 'without a second factor';
  const when = mfa_time === null ? '' : `, ${fromNow(mfa_time, now)}`;
  if (mfa_by === 'passkey') return `with a second factor (passkey${when})`;
  const methods = amr.length > 0 ? amr.map(wordOnly).join(', ') : 'not named';
  return `with a second factor (${methods}; your identity provider vouches${when})`;
}

/** Method names are registered words (RFC 8176); nothing else of them is shown. */
function wordOnly(method: string): string {
  return method.replace(/[^A-Za-z0-9_.-]/g, '?');
}
