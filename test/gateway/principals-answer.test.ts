import { expect, test } from 'vitest';
import { keyOptions, nothingPermitted } from '../../src/gateway/principals-answer.ts';

const route = { words: ['/bin/sh', '/run/sallyport/route'], ticket: 'ab'.repeat(16) };
const command = `command="exec /bin/sh /run/sallyport/route ${route.ticket}"`;

test('the way is opened to exactly what is named, and everything else is restricted', () => {
  const opens = [
    { address: '10.0.0.1', port: 22 },
    { address: '2001:db8::1', port: 2222 },
    { address: 'db.internal', port: 5432 },
  ];
  expect(keyOptions({ ...nothingPermitted, opens }, route)).toBe(
    `restrict,pty,port-forwarding,permitopen="10.0.0.1:22",permitopen="[2001:db8::1]:2222",permitopen="db.internal:5432",permitlisten="localhost:1",${command}`,
  );
});

test('where nothing is permitted there is no forwarding at all', () => {
  expect(keyOptions(nothingPermitted, route)).toBe(`restrict,pty,${command}`);
});

test('listening on this machine opens no way out of it', () => {
  expect(keyOptions({ ...nothingPermitted, listens: true }, route)).toBe(
    `restrict,pty,port-forwarding,permitopen="localhost:1",permitlisten="localhost:*",${command}`,
  );
});

test('an agent goes along only where it may, and does not open anything else', () => {
  expect(keyOptions({ ...nothingPermitted, agent: true }, route)).toBe(
    `restrict,pty,agent-forwarding,${command}`,
  );
});

test('where the certificate alone says where to, no place is named', () => {
  expect(keyOptions({ ...nothingPermitted, opens: 'anywhere' }, route)).toBe(
    `restrict,pty,port-forwarding,permitlisten="localhost:1",${command}`,
  );
});
