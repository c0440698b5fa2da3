import type { Tx } from '../database/database.ts';
import type { AuditEvent } from './events.ts';

/**
 * Appends an event in the transaction of what it tells of: if it can't be written, that did not happen either. A refusal
 * is recorded in a transaction of its own, since the refused one is rolled back.
 */
export async function recordEvent(tx: Tx, event: AuditEvent): Promise<void> {
  await recordEvents(tx, [event]);
}

/** Appends events in their order, with one statement. */
export async function recordEvents(tx: Tx, events: readonly AuditEvent[]): Promise<void> {
  if (events.length === 0) return;
  await tx
    .insertInto('audit_events')
    .values(
      events.map((event) => ({
        event: event.event,
        organization_id: event.organizationId ?? null,
        account_id: event.accountId ?? null,
        session_id: event.sessionId ?? null,
        facts: JSON.stringify(event.facts),
      })),
    )
    .execute();
}
