/** What stands in the ssh config about gateways, for every way to a target: read by the real ssh. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SshConfiguration } from '../../../src/api/ssh-configuration.ts';
import { type HostsOptions, hostsText } from '../../../src/cli/ssh-config-text.ts';
import { optionsOf, run } from '../person.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sally-hosts-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Target = SshConfiguration['targets'][number];
const target = (name: string, facts: Partial<Target>): Target => ({
  name,
  gateway: 'gate',
  address: '10.0.0.1',
  port: 22,
  login: 'app',
  ...facts,
});
const gateway = { name: 'gate', address: 'gate.example.com', port: 2222, ports: [443, 22], login: null };
const names = { relayed: 'shop-a--web', jumped: 'shop-b--web', both: 'shop-c--web', direct: 'shop-d--web' };
const configuration: SshConfiguration = {
  account: 'alice@example.com',
  suffix: 'sallyport',
  host_authorities: [],
  gateways: [gateway],
  targets: [
    target(names.relayed, { access: 'relay' }),
    target(names.jumped, { access: 'jump' }),
    target(names.both, {}),
    target(names.direct, { gateway: null }),
  ],
};

function sshOptions(host: string, options: HostsOptions = {}, environment: Record<string, string> = {}) {
  const file = join(folder, 'config');
  writeFileSync(file, hostsText(configuration, options));
  const { code, stdout, stderr } = run('ssh', ['-G', '-F', file, host], environment);
  if (code !== 0) throw new Error(stderr);
  const found = optionsOf(stdout);
  return Object.fromEntries(
    ['hostname', 'port', 'user', 'proxyjump', 'hostkeyalias', 'proxycommand'].map((name) => [
      name,
      found.get(name)?.join(),
    ]),
  );
}

test('a relayed target is logged in to at the gateway, under its own name', () => {
  expect(sshOptions(`${names.relayed}.sallyport`)).toEqual({
    hostname: 'gate.example.com',
    port: '2222',
    user: names.relayed,
    hostkeyalias: 'gate.sallyport',
  });
});

test.each([names.jumped, names.both])('%s is jumped to', (name) => {
  expect(sshOptions(`${name}.sallyport`)).toEqual({
    hostname: '10.0.0.1',
    port: '22',
    user: 'app',
    proxyjump: `${name}@gate.sallyport`,
    hostkeyalias: `${name}.sallyport`,
  });
});

test('what has no gateway is gone to directly', () => {
  const options = sshOptions(`${names.direct}.sallyport`);
  expect(options).toMatchObject({ hostname: '10.0.0.1', user: 'app' });
  expect(options).not.toHaveProperty('proxyjump', expect.anything());
});

test('a port that works is taken only while the gateway has it', () => {
  const at = (port: number) => sshOptions('gate.sallyport', { ports: new Map([['gate', port]]) })['port'];
  expect(at(443)).toBe('443');
  expect(at(8022)).toBe('2222');
});

describe('a proxy', () => {
  const program = () => {
    const file = join(folder, 'proxy');
    writeFileSync(file, '#!/bin/sh\n[ -n "$all_proxy" ]\n', { mode: 0o700 });
    return file;
  };
  const set = { all_proxy: 'x' };

  test('is for gateways and relayed targets, where the environment has one, and by their written addresses', () => {
    const proxy = program();
    const options = { proxy, ports: new Map([['gate', 443]]) };
    for (const name of ['gate', names.relayed]) {
      const host = `${name}.sallyport`;
      expect(sshOptions(host, options, set)['proxycommand']).toBe(`${proxy} gate.example.com 443`);
      expect(sshOptions(host, options)['proxycommand']).toBeUndefined();
    }
    for (const name of [names.jumped, names.both, names.direct, 'unknown']) {
      expect(sshOptions(`${name}.sallyport`, options, set)['proxycommand']).toBeUndefined();
    }
  });

  test('is run for no name but those, so that nothing in a name gets to a shell', () => {
    const text = hostsText(configuration, { proxy: program() });
    expect(text).not.toMatch(/[%$]/);
    expect(text).toMatch(/^Match originalhost gate\.sallyport,shop-a--web\.sallyport exec /m);
  });

  test('has lines of a length that every ssh reads', () => {
    const many = Array.from({ length: 100 }, (_, at) =>
      target(`${'x'.repeat(20)}-${'y'.repeat(20)}--app-${at}`, { access: 'relay' }),
    );
    const text = hostsText({ ...configuration, targets: many }, { proxy: program() });
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(1024);
    expect(text.match(/ProxyCommand/g)).toHaveLength(9);
  });
});

test.each(['-oProxyCommand=id', 'a b', 'a%h', '$(id)', 'a\nHost *'])(
  'there is no place for the address %j of a gateway, with a proxy neither',
  (address) => {
    const hostile = { ...configuration, gateways: [{ ...gateway, address }] };
    expect(() => hostsText(hostile, { proxy: '/x' })).toThrow('cannot stand in an ssh config');
  },
);
