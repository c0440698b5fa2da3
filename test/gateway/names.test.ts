import { expect, test } from 'vitest';
import { nameFiles, targetUsers } from '../../src/gateway/names.ts';
import { withExtrausers } from '../../src/gateway/nsswitch.ts';

const user = { name: 'shop-production--web', uid: 600_001, home: '/srv/empty', shell: '/bin/sh' };

test('a target becomes a user with its own uid, no password, a shell and an empty home', () => {
  const target = { targetName: 'shop-production--web--2', gatewayUid: 600_002 };
  expect(nameFiles(targetUsers([target], '/srv/empty'))).toEqual({
    passwd: 'shop-production--web--2:x:600002:600002::/srv/empty:/bin/sh\n',
    shadow: 'shop-production--web--2:*:1::::::\n',
    group: 'shop-production--web--2:x:600002:\n',
  });
});

test.each([
  ['a uid of the machine itself', [{ ...user, uid: 0 }]],
  ['a uid that is no number', [{ ...user, uid: Number.NaN }]],
  ['a name with a colon', [{ ...user, name: 'a:b' }]],
  ['a name with a line end', [{ ...user, name: 'a\nroot' }]],
  ['a home with a colon', [{ ...user, home: '/srv:x' }]],
  ['one uid for two names', [user, { ...user, name: 'shop-production--api' }]],
  ['one name for two uids', [user, { ...user, uid: 600_009 }]],
])('%s is refused', (_, users) => {
  expect(() => nameFiles(users)).toThrow(expect.objectContaining({ code: 'name_refused' }));
});

test('a target name that is none is refused', () => {
  expect(() => targetUsers([{ targetName: 'root', gatewayUid: 600_001 }], '/srv/empty')).toThrow(
    expect.objectContaining({ code: 'name_refused' }),
  );
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
