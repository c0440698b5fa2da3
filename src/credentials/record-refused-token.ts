/** Refused tokens of machines on record: why, and from where; never the token. */
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import type { SallyportError } from '../errors/sallyport-error.ts';
import { countAttempt } from '../limits/count-attempt.ts';
import { guesserOf } from '../limits/guesser-of.ts';
import type { ApiToken } from './api-token-store.ts';

/** Anybody can send rubbish: of one address so much is written down in five minutes, and no more. */
const recorded = { bucket: 'refused-machine-token', allowed: 30, windowSeconds: 300 };

export async function recordRefusedApiToken(
  tx: Tx,
  {
    token,
    code,
    address,
  }: { readonly token: ApiToken | undefined; readonly code: string; readonly address: string },
  now: Date,
): Promise<void> {
  if (!(await isWorthRecording(tx, address, now))) return;
  await recordEvent(tx, {
    event: 'api_token.refused',
    organizationId: token?.organizationId ?? null,
    accountId: token?.accountId ?? null,
    facts: { code, ...(token ? { name: token.name } : {}), client_address: address },
  });
}

/** @param claimed what the token says of itself, verified or not */
export async function recordRefusedCiToken(
  db: Database,
  {
    error,
    claimed,
    address,
  }: {
    readonly error: SallyportError;
    readonly claimed: { readonly iss: string; readonly sub?: unknown };
    readonly address: string;
  },
  now: Date,
): Promise<void> {
  await inTransaction(db, async (tx) => {
    if (!(await isWorthRecording(tx, address, now))) return;
    await recordEvent(tx, {
      event: 'ci_token.refused',
      facts: {
        code: error.code,
        message: error.message,
        issuer: shortened(claimed.iss),
        ...(typeof claimed.sub === 'string' ? { subject: shortened(claimed.sub) } : {}),
        client_address: address,
      },
    });
  });
}

async function isWorthRecording(tx: Tx, address: string, now: Date): Promise<boolean> {
  return (await countAttempt(tx, recorded, guesserOf(address), now)).count <= recorded.allowed;
}

/** Postgres' JSON holds no NUL; a log line holds no line ends. */
function shortened(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 300);
}
