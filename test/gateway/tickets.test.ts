import { expect, test } from 'vitest';
import { newTicket, ticketDigest } from '../../src/gateway/tickets.ts';

test('a ticket is 128 random bits, and what is kept of it is its digest', () => {
  const { ticket, digest } = newTicket();
  expect(ticket).toMatch(/^[0-9a-f]{32}$/);
  expect(newTicket().ticket).not.toBe(ticket);
  expect(digest).toBe(ticketDigest(ticket));
  expect(digest).not.toContain(ticket);
});
