/**
 * From the admin's revocation to the closed connection: bob's ssh through the gateway, as his own ssh sees it end. Once
 * from the typed command, whose limit is the second that the project promises, and once from the HTTP request alone, as
 * the console's button sends it, whose limit is half of that. Needs openssh-server.
 */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Browser } from '../src/dev/tour/browser.ts';
import { openStage } from '../src/dev/tour/stage.ts';
import { report } from './measure.ts';

const runs = 5;
/** A one-time code is good once: three logins at once, then one every half minute. */
const loginsAtOnce = 3;
const pauseMilliseconds = 31_000;
const limitMilliseconds = 1_000;
const limitOfRequestMilliseconds = 500;
const root = join(import.meta.dirname, '..');

const stage = await openStage(root, undefined);
try {
  const { alice, bob, dev } = stage;
  await alice.login();
  const end = await consoleOf('alice', dev);
  const typed: number[] = [];
  const reported: number[] = [];
  const requested: number[] = [];
  for (let run = 0; run < 2 * runs; run += 1) {
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
    if (run % 2 === 1) {
      await end(session);
      requested.push(await gone);
      continue;
    }
    await alice.sally(['admin', 'sessions', 'revoke', session, '--yes']);
    reported.push(performance.now() - begin);
    typed.push(await gone);
  }
  console.log(report({ name: 'command typed to connection closed', milliseconds: typed, limitMilliseconds }));
  console.log(
    report({ name: 'command typed to companions acknowledged', milliseconds: reported, limitMilliseconds }),
  );
  const limit = { limitMilliseconds: limitOfRequestMilliseconds };
  console.log(report({ name: 'HTTP request to connection closed', milliseconds: requested, ...limit }));
} finally {
  await stage.close();
}

/** Somebody signed in to the console: what ends a session. */
async function consoleOf(
  username: string,
  { publicUrl, people }: (typeof stage)['dev'],
): Promise<(session: string) => Promise<void>> {
  const browser = new Browser();
  const password = people.people.find((each) => each.username === username)?.password ?? '';
  const page = await browser.signIn(new URL('/console/sessions', publicUrl), { username, password });
  const [, token = ''] = /name="csrf_token" value="([^"]+)"/.exec(page.text) ?? [];
  return async (session) => {
    const body = new URLSearchParams({ csrf_token: token });
    const address = new URL(`/console/sessions/${session}/end`, publicUrl);
    const answer = await browser.open(address, { method: 'POST', body, from: page.url });
    if (answer.status !== 200) throw new Error(`the console answered ${answer.status}`);
  };
}
