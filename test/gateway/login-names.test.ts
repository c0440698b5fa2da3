import { expect, test } from 'vitest';
import type { CompanionState } from '../../src/api/companions.ts';
import { aliasOf, meaningOf } from '../../src/gateway/login-names.ts';

const web = { targetName: 'shop-production--web', gatewayUid: 600_001, nodeNumber: 100_001, login: 'app' };
const api = { targetName: 'shop-production--api', gatewayUid: 600_002, nodeNumber: null, login: 'api' };

function stateOf(kind: 'gateway' | 'host', gatewayLogin: string | null = null): CompanionState {
  const companion = { kind, gateway_login: gatewayLogin };
  const accounts = [{ name: 'alice@example.com', number: 600_010 }, { name: 'bob@example.com' }];
  return { companion, targets: [web, api], accounts } as unknown as CompanionState;
}

test.each([
  ['a target name', 'shop-production--web', { kind: 'target', target: web }],
  ['its numeric alias', '100001-600001', { kind: 'target', target: web }],
  ['the menu of everybody', 'ssh', { kind: 'menu', accountNumber: null }],
  ['the number of an account', '600010', { kind: 'menu', accountNumber: 600_010 }],
  ['an unknown name', 'shop-production--db', undefined],
  ['the alias of a target that has none', 'null-600002', undefined],
  ['a half of an alias', '100001', undefined],
  ['the uid of a target', '600001', undefined],
  ['a name of every object', 'constructor', undefined],
])('on a gateway %s', (_, user, meaning) => {
  expect(meaningOf(user, stateOf('gateway'))).toEqual(meaning);
});

test('where everybody logs in as one user, that user stands for every target and nothing else for any', () => {
  const state = stateOf('gateway', 'dana');
  expect(meaningOf('dana', state)).toEqual({ kind: 'own', targets: [web, api] });
  for (const user of ['ssh', web.targetName, '600010', '']) expect(meaningOf(user, state)).toBeUndefined();
});

test('a user of a host stands for the targets that log in as it', () => {
  const state = stateOf('host');
  expect(meaningOf('app', state)).toEqual({ kind: 'host', targets: [web] });
  for (const user of ['root', 'ssh', web.targetName, '600010'])
    expect(meaningOf(user, state)).toBeUndefined();
});

test('an alias is the number of the node and that of the name', () => {
  expect(aliasOf(web)).toBe('100001-600001');
  expect(aliasOf(api)).toBeNull();
});
