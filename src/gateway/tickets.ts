/**
 * Tickets tie the command that sshd runs for a connection to the answer that named it: 128 random bits, good as long as
 * the connection lives and for it alone, since sessions over an open connection (ControlMaster) run the same command
 * again. The connection keeps the digest; the ticket itself is never stored and never logged.
 */
import { createHash, randomBytes } from 'node:crypto';

export interface Ticket {
  readonly ticket: string;
  readonly digest: string;
}

export function newTicket(): Ticket {
  const ticket = randomBytes(16).toString('hex');
  return { ticket, digest: ticketDigest(ticket) };
}

/** What a ticket is looked up by, so that looking one up tells nothing by its time. */
export function ticketDigest(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64');
}
