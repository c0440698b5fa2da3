/**
 * From the admin's revocation to the closed connection: bob's ssh through the gateway, as his own ssh sees it end. The
 * limit is the second that the project promises. Needs openssh-server.
 */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { openStage } from '../src/dev/tour/stage.ts';
import { report } from './measure.ts';

const runs = 5;
/** A one-time code is good once: three logins at once, then one every half minute. */
const loginsAtOnce = 3;
const pauseMilliseconds = 31_000;
const limitMilliseconds = 1_000;
const root = join(import.meta.dirname, '..');

const stage = await openStage(root, undefined);
try {
  const { alice, bob } = stage;
  await alice.login();
  const typed: number[] = [];
  const reported: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    if (run >= loginsAtOnce) await wait(pauseMilliseconds);
    await bob.login();
    const connection = bob.startSsh([
      'shop-production--web.sallyport',
      'while :; do echo tick; sleep 1; done',
    ]);
    await connection.firstOutput;
    const session = await bob.sessionId();
    const begin = performance.now();
    const gone = connection.ended.then(() => performance.now() - begin);
    await alice.sally(['admin', 'sessions', 'revoke', session, '--yes']);
    reported.push(performance.now() - begin);
    typed.push(await gone);
  }
  console.log(report({ name: 'command typed to connection closed', milliseconds: typed, limitMilliseconds }));
  console.log(
    report({ name: 'command typed to companions acknowledged', milliseconds: reported, limitMilliseconds }),
  );
} finally {
  await stage.close();
}
