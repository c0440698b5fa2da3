import { expect, test } from 'vitest';
import { gatewayUsers, nameFiles } from '../../src/gateway/names.ts';
import { withExtrausers } from '../../src/gateway/nsswitch.ts';

const user = { name: 'shop-production--web', uid: 600_001, home: '/srv/empty', shell: '/bin/sh' };

test('a target is a user under its name and its alias, an account under its number, and the menu is one', () => {
  const target = { targetName: 'shop-production--web--2', gatewayUid: 600_002, nodeNumber: 100_001 };
  const users = gatewayUsers({ targets: [target], accounts: [{ number: 600_003 }, {}] }, '/srv/empty');
  expect(nameFiles(users)).toEqual({
    passwd: [
      'ssh:x:599998:599998::/srv/empty:/bin/sh\n',
      'shop-production--web--2:x:600002:600002::/srv/empty:/bin/sh\n',
      '100001-600002:x:600002:600002::/srv/empty:/bin/sh\n',
      '600003:x:600003:600003::/srv/empty:/bin/sh\n',
    ].join(''),
    shadow: 'ssh:*:1::::::\nshop-production--web--2:*:1::::::\n100001-600002:*:1::::::\n600003:*:1::::::\n',
    group: 'ssh:x:599998:\nshop-production--web--2:x:600002:\n100001-600002:x:600002:\n600003:x:600003:\n',
  });
});

test('a target of a server that numbers no nodes has no alias', () => {
  const target = { targetName: 'shop-production--web', gatewayUid: 600_002, nodeNumber: null };
  const users = gatewayUsers({ targets: [target], accounts: [] }, '/srv/empty');
  expect(users.map(({ name }) => name)).toEqual(['ssh', 'shop-production--web']);
});

test.each([
  ['a uid of the machine itself', [{ ...user, uid: 0 }]],
  ['a uid that is no number', [{ ...user, uid: Number.NaN }]],
  ['a name with a colon', [{ ...user, name: 'a:b' }]],
  ['a name with a line end', [{ ...user, name: 'a\nroot' }]],
  ['a home with a colon', [{ ...user, home: '/srv:x' }]],
  ['one uid for two names', [user, { ...user, name: 'shop-production--api' }]],
  [
    'a name with a third beside its alias',
    [user, { ...user, name: '7-600001' }, { ...user, name: '8-600001' }],
  ],
  ['an alias that ends with another uid', [user, { ...user, name: '7-600002' }]],
  ['a number with a sign', [{ ...user, name: '-600001' }]],
  ['one name for two uids', [user, { ...user, uid: 600_009 }]],
])('%s is refused', (_, users) => {
  expect(() => nameFiles(users)).toThrow(expect.objectContaining({ code: 'name_refused' }));
});

test('a target name that is none is refused', () => {
  expect(() =>
    gatewayUsers(
      { targets: [{ targetName: 'root', gatewayUid: 600_001, nodeNumber: null }], accounts: [] },
      '/srv/empty',
    ),
  ).toThrow(expect.objectContaining({ code: 'name_refused' }));
});

test('nsswitch.conf gets extrausers behind files, once, and keeps every other byte', () => {
  const text =
    '# a comment: files\npasswd:\tfiles systemd\ngroup: compat\nshadow: files extrausers\nhosts: files dns';
  const once = withExtrausers(text);
  expect(once).toBe(
    '# a comment: files\npasswd:\tfiles extrausers systemd\ngroup: compat extrausers\nshadow: files extrausers\nhosts: files dns',
  );
  expect(withExtrausers(once)).toBe(once);
});

test('databases that nsswitch.conf does not name are added', () => {
  expect(withExtrausers('hosts: files')).toBe(
    'hosts: files\npasswd: files extrausers\ngroup: files extrausers\nshadow: files extrausers\n',
  );
});
