import { expect, test } from 'vitest';
import type { Connection } from '../../src/gateway/connection-file.ts';
import { relayWelcome, welcomeText } from '../../src/gateway/welcome.ts';
import { web } from './test-world.ts';

const at = Date.UTC(2026, 10, 21, 18, 30) / 1_000;
const offer = { account: 'alice@example.com', mode: 'interactive', validBeforeSeconds: at + 3_600 };
const connection = {
  offer,
  user: 'app',
  startedAtSeconds: at,
  offeredAtSeconds: at - 1,
} as unknown as Connection;

test('a welcome says where one is, as whom, and how long the certificate is good', () => {
  expect(welcomeText([web], connection)).toEqual([
    'example / shop / production / web',
    'You are alice@example.com, logged in as app.',
    'Your certificate is good until 2026-11-21 19:30 UTC.',
  ]);
});

test('it names the instance, the kind of an environment with a name of its own, and the strictest limits', () => {
  const targets = [
    { ...web, environment: 'live', instance: '2', maxConnectionSeconds: 7_200, idleTimeoutSeconds: 900 },
    { ...web, app: 'worker', maxConnectionSeconds: 3_600 },
  ];
  expect(welcomeText(targets, connection)).toEqual([
    'example / shop / live (production) / web / 2',
    'example / shop / production / worker',
    'You are alice@example.com, logged in as app.',
    'This connection ends at 2026-11-21 19:30 UTC at the latest.',
    'It ends when nothing was said for 15 minutes.',
    'Your certificate is good until 2026-11-21 19:30 UTC.',
  ]);
});

test('of a second leg the certificate’s minute is nobody’s business, and the gateway tells of the login session', () => {
  const hop = { ...connection, offer: { ...offer, mode: 'hop' } } as unknown as Connection;
  expect(welcomeText([web], hop)).toEqual([
    'example / shop / production / web',
    'You are alice@example.com, logged in as app through a gateway.',
  ]);
  expect(relayWelcome(at)).toEqual(['Your login session ends at 2026-11-21 18:30 UTC.']);
  expect(relayWelcome(null)).toEqual([]);
});
