/** `sally status` reads session.json without the schema: what it takes for a login, the schema does too. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDebugLog } from '../../src/cli/debug-log.ts';
import { glanceAtSession, glanceOf } from '../../src/cli/glance-session.ts';
import { readSessionFacts } from '../../src/cli/session-file.ts';
import { Person } from './person.ts';
import { ServerDouble } from './server-double.ts';

const server = new ServerDouble();
const alice = new Person();
const place = { paths: alice.paths, debug: createDebugLog(false, { write: () => {} }), keychain: undefined };
let stored: Record<string, unknown>;

beforeAll(async () => {
  await server.start();
  await alice.login(server.url);
  stored = JSON.parse(readFileSync(alice.paths.session, 'utf8'));
});
afterAll(async () => {
  alice.remove();
  await server.stop();
});

test('shows what the schema reads', async () => {
  const glance = await glanceAtSession(place);
  expect(await readSessionFacts(place as never)).toMatchObject({ ...glance });
  expect(Object.keys(glance ?? {})).not.toContain('dpop_key');
});

const shown = [
  ...['v', 'server', 'account', 'organization', 'role', 'session_id', 'mode', 'provider', 'mfa', 'mfa_by'],
  ...['mfa_time', 'amr', 'expires_at', 'over_since', 'secrets', 'key'],
];

test.each(shown)('counts as no login for both if %s is not as it must be', async (name) => {
  for (const wrong of [undefined, -1.5, { a: 1 }, '\u001b[31m']) {
    writeFileSync(alice.paths.session, JSON.stringify({ ...stored, [name]: wrong }));
    const schema = await readSessionFacts(place as never).catch(() => undefined);
    const glance = await glanceAtSession(place).catch(() => undefined);
    // What the schema takes of any text, the glance takes as well.
    expect(glance === undefined).toBe(schema === undefined);
  }
});

test.each(['', 'null', '[]', '{', '"text"'])('%s is no login', (text) => {
  expect(glanceOf(text)).toBeUndefined();
});
