/** Tickets of connections that came with a one-time code, while many log in at the same moment. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { prepareTickets, sweepTickets, writeTicket } from '../../src/gateway/code-tickets.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
  await prepareTickets(folder);
});
afterEach(() => rm(folder, { recursive: true }));

test('a ticket that is being written is not swept away by another login', async () => {
  const seen = new Set<string>();
  for (let port = 50_000; port < 50_050; port += 1) {
    const connection = `192.0.2.7 ${port} 192.0.2.1 2223`;
    let isWritten = false;
    const writing = writeTicket(folder, { connection, ticket: 'whole', uid: null }).then(() => {
      isWritten = true;
    });
    while (!isWritten) {
      for (const name of readdirSync(folder)) {
        if (!name.startsWith('.')) seen.add(readFileSync(join(folder, name), 'ascii'));
      }
      await turn();
    }
    await writing;
  }
  expect([...seen]).toEqual(['whole\n']);
  await writeFile(join(folder, '.192.0.2.7_50050_192.0.2.1_2223.a1b2c3'), '');
  await sweepTickets(folder, () => false);
  expect(await readdir(folder)).toEqual(['.192.0.2.7_50050_192.0.2.1_2223.a1b2c3']);
});

test('a ticket is its reader’s alone, and replaces that of an earlier connection with the same ends', async () => {
  const connection = '2001:db8::7 50000 2001:db8::1 2223';
  for (const ticket of ['first', 'second']) await writeTicket(folder, { connection, ticket, uid: null });
  const [name = ''] = await readdir(folder);
  expect(name).toBe('2001:db8::7_50000_2001:db8::1_2223');
  expect((await stat(join(folder, name))).mode & 0o777).toBe(0o400);
  expect(await readFile(join(folder, name), 'ascii')).toBe('second\n');
  await sweepTickets(folder, () => false);
  expect(await readdir(folder)).toEqual([]);
});
