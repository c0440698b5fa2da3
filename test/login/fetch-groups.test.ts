import { beforeEach, describe, expect, test } from 'vitest';
import { fetchGroups } from '../../src/login/fetch-groups.ts';
import type { GuardedRequest } from '../../src/outbound/guarded-fetch.ts';
import { withCode } from './forging-world.ts';

/** The reply to each address; what was asked is kept. */
let replies: Record<string, { status?: number; body: unknown }>;
let asked: { url: string; request: GuardedRequest }[];
beforeEach(() => {
  replies = {};
  asked = [];
});
const fetch = async (url: string, request: GuardedRequest) => {
  asked.push({ url, request });
  const { status = 200, body } = replies[url] ?? { status: 404, body: {} };
  return new Response(typeof body === 'string' ? body : JSON.stringify(body), { status });
};
const graph = 'https://graph.example/v1.0/me';
const groupsAt = (url: string) => fetchGroups(url, 'the access token', fetch);

test.each([
  ['a plain list', ['a', 'b']],
  ['ids in a list', [{ id: 'a', displayName: 'A' }, { id: 'b' }]],
  ['a value', { value: ['a', 'b'] }],
  ['a value of objects', { value: [{ id: 'a' }, { id: 'b' }] }],
  ['groups', { groups: ['a', 'b'] }],
])('are read from %s', async (_what, body) => {
  replies = { [graph]: { body } };
  expect(await groupsAt(graph)).toEqual(['a', 'b']);
  expect(asked[0]?.request).toMatchObject({ headers: { authorization: 'Bearer the access token' } });
});

test('are posted for where the address is an action', async () => {
  const url = `${graph}/getMemberObjects`;
  replies = { [url]: { body: { value: ['a'] } } };
  expect(await groupsAt(url)).toEqual(['a']);
  expect(asked[0]?.request).toMatchObject({ method: 'POST', body: '{"securityEnabledOnly":true}' });
});

test('are read page by page', async () => {
  replies = {
    [graph]: { body: { value: ['a'], '@odata.nextLink': `${graph}?page=2` } },
    [`${graph}?page=2`]: { body: { value: ['b'] } },
  };
  expect(await groupsAt(graph)).toEqual(['a', 'b']);
});

describe('are not known, which is an outage,', () => {
  test.each([
    ['without an answer', 500, {}],
    ['where the token is refused', 401, { value: [] }],
    ['where the answer is no JSON', 200, '<html>'],
    ['where the answer is something else', 200, { value: 'a' }],
    ['where one of them has no id', 200, { value: [{ id: 'a' }, {}] }],
    ['where the next page is elsewhere', 200, { value: ['a'], '@odata.nextLink': 'https://evil.example/' }],
    ['where the pages have no end', 200, { value: ['a'], '@odata.nextLink': graph }],
  ])('%s', async (_what, status, body) => {
    replies = { [graph]: { status, body } };
    await expect(groupsAt(graph)).rejects.toEqual(withCode('login_provider_error'));
    expect(asked.every(({ url }) => url === graph)).toBe(true);
  });
});
