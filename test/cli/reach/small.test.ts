import { describe, expect, test } from 'vitest';
import { journalCommand } from '../../../src/cli/commands/logs.ts';
import { networkKey } from '../../../src/cli/network/network-key.ts';
import { remoteOperands } from '../../../src/cli/reach/copy-operands.ts';
import { targetsOfClone } from '../../../src/cli/reach/git-app.ts';
import { parseBastion } from '../../../src/cli/reach/jump-config.ts';
import { terminalFlag } from '../../../src/cli/reach/terminal-flag.ts';
import { sampleTarget } from './sample-targets.ts';

describe('a terminal at the other end', () => {
  // What is given, whether there is a command, whether standard input is a terminal.
  test.each([
    [{}, false, true, '-t'],
    [{}, false, false, '-T'],
    [{}, true, true, '-T'],
    [{}, true, false, '-T'],
    [{ wanted: 1 }, false, true, '-t'],
    [{ wanted: 1 }, true, true, '-t'],
    [{ wanted: 1 }, true, false, '-T'],
    [{ wanted: 2 }, true, false, '-tt'],
    [{ wanted: 2 }, false, false, '-tt'],
    [{ unwanted: true }, false, true, '-T'],
    [{ wanted: 2, unwanted: true }, false, true, '-T'],
  ])('%j, command %j, terminal %j: %s', (given, hasCommand, stdinIsTerminal, flag) => {
    const wish = { wanted: 0, unwanted: false, ...given, hasCommand, stdinIsTerminal };
    expect(terminalFlag(wish)).toBe(flag);
  });
});

describe('places at targets', () => {
  const at = (program: 'scp' | 'sftp' | 'rsync', ...args: string[]) =>
    remoteOperands(program, args).map(({ at, user, name, path }) => `${at} ${user}${name}${path}`);

  test('are operands with a colon, behind options and their values', () => {
    expect(at('scp', '-rP', '22', '-o', 'A:b', 'web:/x', './a:b', 'root@db:y', '.')).toEqual([
      '4 web:/x',
      '6 root@db:y',
    ]);
    expect(at('scp', '-l100', 'web:', '--', '-x:y')).toEqual(['1 web:', '3 -x:y']);
    expect(at('rsync', '-av', '--exclude', 'a:b', '--delete', 'src/', 'web:dst/')).toEqual(['5 web:dst/']);
    expect(at('rsync', 'server::module', '.')).toEqual([]);
    expect(at('scp', ':/log', '.')).toEqual(['0 :/log']);
  });

  test('are the first operand of sftp, with or without a path', () => {
    expect(at('sftp', '-b', 'batch', 'web')).toEqual(['2 web']);
    expect(at('sftp', 'me@web:/var/log', 'x')).toEqual(['0 me@web:/var/log']);
  });
});

describe('the app of a clone', () => {
  const production = sampleTarget('shop-production--web');
  const staging = sampleTarget('shop-staging--web');
  const blog = sampleTarget('news-production--blog');
  const api = sampleTarget('news-production--api');
  const all = [production, staging, blog, api];
  const found = (remotes: string[], branch: string | null) =>
    targetsOfClone(all, { remotes, branch }).map(({ name }) => name);

  test.each([
    [['git@github.com:acme/shop.git'], 'main', [production.name]],
    [['https://github.com/acme/shop'], 'staging', [staging.name]],
    [['https://github.com/acme/shop.git'], 'feature/x', []],
    [['https://github.com/acme/shop.git'], null, []],
    [['https://github.com/acme/blog.git'], 'feature/x', [blog.name]],
    [['https://github.com/acme/news.git'], 'main', []],
    [['https://github.com/acme/other.git', 'ssh://git@example.com/shop.git'], 'staging', [staging.name]],
    [['ssh://shop-staging--web@gate.sallyport/srv/x.git'], 'anything', [staging.name]],
    [['app@news-production--api.sallyport:x.git'], null, [api.name]],
    [['x'], 'main', []],
    [[], 'main', []],
  ])('%j on branch %j', (remotes, branch, wanted) => {
    expect(found(remotes, branch)).toEqual(wanted);
  });
});

test('a bastion is a host, and nothing that ssh could read as more', () => {
  expect(parseBastion('me@bastion.example.com:2222')).toMatchObject({ host: 'bastion.example.com' });
  expect(parseBastion('[2001:db8::1]:22')).toMatchObject({ host: '2001:db8::1' });
  for (const text of ['', '-oProxyCommand=id', 'a b', 'a,b', 'me@-x', 'a%h', 'a\nb', '$(id)', 'a/b', 'me@@x'])
    expect(() => parseBastion(text)).toThrow('is not a bastion');
});

test('what goes to the shell of an instance is one quoted word with nothing of anybody’s in it', () => {
  const command = journalCommand('web@1.service', { lines: 5, since: '10 min ago' });
  expect(command).toMatch(/^exec \/bin\/sh -c '[^']*'$/);
  expect(command).toContain('--lines=5 --since="10 min ago" --unit="web@1.service" </dev/null');
  for (const since of ['"; id', "'", '$(id)', '`id`', '-x', 'a\nb', '\\'])
    expect(() => journalCommand('web', { lines: 1, since })).toThrow('--since');
  for (const unit of ['-x', 'a b', "a'b", '$x', '']) {
    expect(() => journalCommand(unit, { lines: 1 })).toThrow('no name of one');
  }
});

test('a network is known again by its addresses, but for what changes within it', () => {
  const one = (address: string, netmask: string, cidr: string, internal = false) => ({
    address,
    netmask,
    cidr,
    internal,
    mac: '00:00:00:00:00:00',
    family: (address.includes(':') ? 'IPv6' : 'IPv4') as 'IPv4',
  });
  const office = networkKey({ eth0: [one('192.0.2.17', '255.255.255.0', '192.0.2.17/24')] });
  const mask = 'ffff:ffff:ffff:ffff::';
  expect(networkKey({ wlan0: [one('192.0.2.99', '255.255.255.0', '192.0.2.99/24')] })).toBe(office);
  expect(networkKey({ eth0: [one('198.51.100.17', '255.255.255.0', '198.51.100.17/24')] })).not.toBe(office);
  const lo = one('127.0.0.1', '255.0.0.0', '127.0.0.1/8', true);
  expect(networkKey({ lo: [lo], eth0: [one('192.0.2.17', '255.255.255.0', '192.0.2.17/24')] })).toBe(office);
  const v6 = (host: string) =>
    networkKey({ e: [one(`2001:db8:1:2:${host}`, mask, `2001:db8:1:2:${host}/64`)] });
  expect(v6('a:b:c:d')).toBe(v6('1:2:3:4'));
});
