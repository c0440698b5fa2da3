import { expect, test } from 'vitest';
import { type RelayReply, routeReply } from '../../src/gateway/route-reply.ts';

const relay: RelayReply & { kind: 'relay' } = {
  kind: 'relay',
  address: '10.0.0.1',
  port: 22,
  login: 'app',
  alias: 'shop-production--web.sallyport',
  knownHosts: '/run/sallyport/known_hosts',
  agent: '/run/sallyport/agents/0011223344556677',
  subsystem: null,
  shell: false,
  forwardAgent: false,
  remotePorts: [],
  welcome: [],
};

test('a second leg is one value per line', () => {
  expect(routeReply({ ...relay, subsystem: 'sftp', forwardAgent: true, remotePorts: [9000, 9001] })).toBe(
    [
      'relay',
      'address 10.0.0.1',
      'port 22',
      'login app',
      'alias shop-production--web.sallyport',
      'known_hosts /run/sallyport/known_hosts',
      'agent /run/sallyport/agents/0011223344556677',
      'subsystem sftp',
      'forward_agent yes',
      'remote_port 9000',
      'remote_port 9001',
      '',
    ].join('\n'),
  );
});

test('a command that only named the target is none', () => {
  expect(routeReply({ ...relay, shell: true })).toContain('shell yes\n');
});

test.each<[string, Partial<RelayReply>]>([
  ['an address that is an option', { address: '-oProxyCommand=x' }],
  ['an address of two lines', { address: '10.0.0.1\nlogin root' }],
  ['a login that is an option', { login: '-l' }],
  ['a path with a blank', { agent: '/run/a b' }],
  ['a name with a dollar', { alias: '$(id)' }],
])('%s never gets to a shell', (_what, odd) => {
  expect(() => routeReply({ ...relay, ...odd })).toThrow(/odd characters/);
});

test('words are told as they are, a welcome in printable ASCII', () => {
  expect(routeReply({ kind: 'words', text: 'Error: no\nRun: sally login\n' })).toBe(
    'words\nError: no\nRun: sally login\n',
  );
  expect(
    routeReply({ kind: 'run', folder: '/srv/app', environment: null, welcome: ['a\u001b[2Jb', 'c'] }),
  ).toBe('run\nfolder /srv/app\nwelcome a?[2Jb\nwelcome c\n');
});
