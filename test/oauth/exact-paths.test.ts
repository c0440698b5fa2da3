import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningServer, startRunningServer } from './running-server.ts';

let running: RunningServer;
beforeAll(async () => {
  running = await startRunningServer();
});
afterAll(() => running.close());

const status = async (path: string, method = 'POST') =>
  (await fetch(`${running.issuer}${path}`, { method, redirect: 'manual' })).status;

test('an endpoint has one spelling: none goes by its limit, or shows a page that is not there', async () => {
  const counted = async () =>
    await running.database.db
      .selectFrom('attempts')
      .select('count')
      .where('bucket', '=', 'pushed-request')
      .execute();
  for (const path of [
    '/Request',
    '/request/',
    '/REQUEST/',
    '/Device_authorization',
    '/device_authorization/',
  ]) {
    expect([path, await status(path)]).toEqual([path, 404]);
  }
  for (const path of ['/device', '/Device', '/device/', '/Device/abc']) {
    expect([path, await status(path, 'GET')]).toEqual([path, 404]);
  }
  expect(await counted()).toEqual([]);
  expect(await status('/request')).toBe(400);
  expect(await counted()).toEqual([{ count: 1 }]);
});
