import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { gatewayLine, hostLine, refusalLine } from '../../src/gateway/principals-answer.ts';

const route = { curl: '/usr/bin/curl', socket: '/run/sallyport/route.sock', ticket: 'ab'.repeat(16) };
const commandOf = (line: string) =>
  /command="((?:[^"\\]|\\")*)"/.exec(line)?.[1]?.replaceAll('\\"', '"') ?? '';

test('a gateway opens exactly the targets, and restricts everything else', () => {
  const line = gatewayLine(
    'alice@example.com',
    [
      { name: 'a-b--c', address: '10.0.0.1', port: 22 },
      { name: 'a-b--d', address: '2001:db8::1', port: 2222 },
    ],
    route,
  );
  expect(line).toMatch(
    /^restrict,pty,port-forwarding,permitopen="10\.0\.0\.1:22",permitopen="\[2001:db8::1\]:2222",command=".*" alice@example\.com\n$/,
  );
});

test('a refusal opens no forwarding', () => {
  expect(refusalLine('alice@example.com', route)).toMatch(/^restrict,pty,command=".*" alice@example\.com\n$/);
});

test('a host line is one principal without a command', () => {
  expect(hostLine('alice@example.com')).toBe('no-agent-forwarding alice@example.com\n');
});

test.each(["'; echo pwned; '", '$(echo pwned)', '`echo pwned`', '" ; echo pwned ; "', '\\'])(
  'what a client asks for is one argument: %j',
  (asked) => {
    // A program that shows its arguments takes the place of curl.
    const command = commandOf(refusalLine('alice@example.com', { ...route, curl: '/usr/bin/printf [%s]' }));
    const { stderr, stdout, status } = spawnSync('/bin/sh', ['-c', command], {
      env: { SSH_ORIGINAL_COMMAND: asked },
      encoding: 'utf8',
    });
    expect(stderr).toContain(`[target=${asked}]`);
    expect(stderr).not.toMatch(/^pwned$/m);
    expect({ stdout, status }).toEqual({ stdout: '', status: 1 });
  },
);
