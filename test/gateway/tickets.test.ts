import { expect, test } from 'vitest';
import { Tickets } from '../../src/gateway/tickets.ts';

test('a ticket is 128 random bits and redeemed once', () => {
  const tickets = new Tickets<string>();
  const ticket = tickets.issue('connection', 'value', 0);
  expect(ticket).toMatch(/^[0-9a-f]{32}$/);
  expect(tickets.issue('other', 'value', 0)).not.toBe(ticket);
  expect(tickets.redeem(ticket, 1)).toEqual({ connection: 'connection', value: 'value' });
  expect(tickets.redeem(ticket, 1)).toBeUndefined();
});

test('a connection has one ticket: the earlier one dies', () => {
  const tickets = new Tickets<number>();
  const first = tickets.issue('connection', 1, 0);
  const second = tickets.issue('connection', 2, 0);
  expect(tickets.redeem(first, 1)).toBeUndefined();
  expect(tickets.redeem(second, 1)).toMatchObject({ value: 2 });
});

test('a ticket dies of age', () => {
  const tickets = new Tickets<number>();
  expect(tickets.redeem(tickets.issue('connection', 1, 0), 600_000)).toBeUndefined();
});

test.each(['', 'guess', '0'.repeat(32)])('%j is no ticket', (guess) => {
  const tickets = new Tickets<number>();
  tickets.issue('connection', 1, 0);
  expect(tickets.redeem(guess, 1)).toBeUndefined();
});
