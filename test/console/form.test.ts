import { expect, test } from 'vitest';
import { z } from 'zod';
import { readOwnForm, requireOwnForm } from '../../src/console/form.ts';

const schema = z.strictObject({ name: z.string().min(1), scope: z.array(z.string()).optional() });

function posted(body: unknown) {
  return { caller: { kind: 'browser', csrfToken: 'the-token' }, body } as never;
}

const code = (read: () => unknown) => {
  try {
    return read();
  } catch (error) {
    return (error as { code: string }).code;
  }
};

test('a form gives its fields without the token', () => {
  const form = posted({ csrf_token: 'the-token', name: 'x', scope: ['a', 'b'] });
  expect(readOwnForm(form, schema)).toEqual({ name: 'x', scope: ['a', 'b'] });
});

test.each([
  ['of another session', { csrf_token: 'another-t', name: 'x' }, 'cross_site_request'],
  ['of another session, and wrong otherwise', { csrf_token: 'x', extra: 1 }, 'cross_site_request'],
  ['with two tokens', { csrf_token: ['the-token', 'x'], name: 'x' }, 'request_malformed'],
  ['without a token', { name: 'x' }, 'request_malformed'],
  ['with an unknown field', { csrf_token: 'the-token', name: 'x', admin: 'yes' }, 'request_malformed'],
  ['without a body', undefined, 'request_malformed'],
])('a form %s is refused', (_what, body, expected) => {
  expect(code(() => readOwnForm(posted(body), schema))).toBe(expected);
});

test('a form of one button takes the token alone', () => {
  expect(code(() => requireOwnForm(posted({ csrf_token: 'the-token' })))).toBeUndefined();
  expect(code(() => requireOwnForm(posted({ csrf_token: 'the-token', x: '' })))).toBe('request_malformed');
});
