import { describe, expect, test } from 'vitest';
import { companionPaths } from '../../src/gateway/paths.ts';
import { type SshdConfigurationOptions, sshdConfiguration } from '../../src/gateway/sshd-configuration.ts';

const base: SshdConfigurationOptions = {
  role: 'gateway',
  paths: companionPaths('/var/lib/sallyport/gateway', '/run/sallyport'),
  principalsUser: 'sallyport-principals',
  curl: '/usr/bin/curl',
  version: { major: 9, minor: 2 },
};
const linesOf = (changes: Partial<SshdConfigurationOptions> = {}) =>
  sshdConfiguration({ ...base, ...changes }).split('\n');

describe('the sshd configuration', () => {
  test('asks the companion with no file of ours and no slow program', () => {
    expect(linesOf()).toContain(
      `AuthorizedPrincipalsCommand /bin/sh -c 'exec /usr/bin/curl -q -sf --max-time 2 --unix-socket /run/sallyport/principals.sock --data-urlencode "ppid=$PPID" --data-urlencode "user=$1" --data-urlencode "key=$2" http://gateway/principals' sh %u %k`,
    );
  });

  test('puts the keys command behind the principals command, which it would silently remove before it', () => {
    const lines = linesOf();
    const place = (keyword: string) => lines.findIndex((line) => line.startsWith(`${keyword} `));
    expect(place('AuthorizedKeysCommand')).toBeGreaterThan(place('AuthorizedPrincipalsCommand'));
  });

  test('opens local forwarding on a gateway and nothing else', () => {
    expect(linesOf()).toEqual(
      expect.arrayContaining([
        'AllowTcpForwarding local',
        'AllowStreamLocalForwarding no',
        'AllowAgentForwarding no',
        'GatewayPorts no',
        'PermitTunnel no',
        'X11Forwarding no',
      ]),
    );
  });

  test('leaves port and PAM of a real machine alone', () => {
    expect(linesOf().filter((line) => /^(Port|ListenAddress|UsePAM|PidFile) /.test(line))).toEqual([]);
  });

  test('names penalty exemptions only to an sshd that knows them', () => {
    const penaltyExemptions = ['10.0.0.0/8', '2001:db8::/32'];
    const exempt = (line: string) => line.startsWith('PerSourcePenaltyExempt');
    expect(linesOf({ penaltyExemptions }).filter(exempt)).toEqual([]);
    expect(linesOf({ penaltyExemptions, version: { major: 9, minor: 8 } }).filter(exempt)).toEqual([
      'PerSourcePenaltyExemptList 10.0.0.0/8,2001:db8::/32',
    ]);
  });

  test('asks with the compiled program where there is one, and no shell reads the name', () => {
    expect(linesOf({ askProgram: '/usr/local/libexec/sallyport/ask' })).toContain(
      'AuthorizedPrincipalsCommand /usr/local/libexec/sallyport/ask /run/sallyport/principals.sock /principals 2000 user=%u key=%k',
    );
  });

  test('lets no failed login cost an address anything where sshd has penalties', () => {
    const penalties = (major: number, minor: number) =>
      linesOf({ version: { major, minor } }).filter((line) => line.startsWith('PerSourcePenalties '));
    expect(penalties(9, 7)).toEqual([]);
    expect(penalties(9, 8)).toEqual(['PerSourcePenalties authfail:0 noauth:0']);
    expect(penalties(10, 3)).toEqual(['PerSourcePenalties authfail:0 noauth:0 invaliduser:0']);
  });

  test('names every port where the CA says where sshd listens, each once', () => {
    const ports = linesOf({ ports: [22, 2222, 443, 22] }).filter((line) => line.startsWith('Port '));
    expect(ports).toEqual(['Port 22', 'Port 2222', 'Port 443']);
  });

  test.each([0, 65_536, 1.5])('refuses the port %j', (port) => {
    expect(() => linesOf({ ports: [22, port] })).toThrow(
      expect.objectContaining({ code: 'settings_invalid' }),
    );
  });

  test('opens forwarding to the own side only where somebody may use it', () => {
    expect(linesOf({ remoteForwarding: true })).toContain('AllowTcpForwarding yes');
    expect(linesOf({ remoteForwarding: true })).toContain('GatewayPorts no');
    expect(linesOf({ remoteForwarding: true })).toContain('AllowAgentForwarding no');
    expect(linesOf({ agentForwarding: true })).toContain('AllowAgentForwarding yes');
  });

  test('quotes a path with a space', () => {
    const paths = companionPaths('/srv/my files', '/run/sallyport');
    expect(linesOf({ paths })).toContain('RevokedKeys "/srv/my files/revoked_keys"');
  });

  test.each([
    '/srv/a"b',
    "/srv/a'b",
    '/srv/a\\b',
    '/srv/%u',
    '/srv/a\nPermitRootLogin yes',
    'relative',
    '/srv/#',
  ])('refuses the path %j', (folder) => {
    const paths = { ...base.paths, revokedKeys: folder };
    expect(() => linesOf({ paths })).toThrow(expect.objectContaining({ code: 'settings_invalid' }));
  });

  test.each(['/run/a b/s', "/run/a'b/s", '/run/%u/s', '/run/$(id)/s', `/run/${'x'.repeat(110)}`])(
    'refuses the socket %j',
    (principalsSocket) => {
      const paths = { ...base.paths, principalsSocket };
      expect(() => linesOf({ paths })).toThrow(expect.objectContaining({ code: 'settings_invalid' }));
    },
  );

  test.each(['root\nPermitRootLogin yes', '', 'a b'])('refuses the principals user %j', (principalsUser) => {
    expect(() => linesOf({ principalsUser })).toThrow(expect.objectContaining({ code: 'settings_invalid' }));
  });

  test.each(['10.0.0.0/8\nPermitRootLogin yes', 'everybody', '*'])('refuses the exemption %j', (network) => {
    expect(() => linesOf({ penaltyExemptions: [network] })).toThrow(
      expect.objectContaining({ code: 'settings_invalid' }),
    );
  });
});
