import { calculateJwkThumbprint, decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { EventName } from '../../src/audit/events.ts';
import { pageText, type VisitedPage } from '../../src/dev/tour/browser.ts';
import { deviceFormToken } from '../../src/oauth/device-cookie.ts';
import { csrfTokenOf, DeviceBrowser } from './device-browser.ts';
import { type RunningServer, startRunningServer } from './running-server.ts';
import { newProofKey, SallyClient, type TokenAnswer } from './sally-client.ts';

let running: RunningServer;
beforeAll(async () => {
  running = await startRunningServer();
});
afterAll(async () => {
  await running.close();
  expect(running.serverErrors).toEqual([]);
});
beforeEach(async () => {
  await running.database.db.deleteFrom('attempts').execute();
  await deviceLogin('on');
});

async function deviceLogin(device_login: 'off' | 'same-network' | 'on'): Promise<void> {
  await running.database.db.updateTable('organizations').set({ device_login }).execute();
}
const sally = async () => new SallyClient(running, await newProofKey(), 4000);
const events = (event: EventName) =>
  running.database.db.selectFrom('audit_events').selectAll().where('event', '=', event).execute();
const sessions = () => running.database.db.selectFrom('login_sessions').selectAll().execute();
const codes = ({ body }: TokenAnswer) => ({
  userCode: String(body['user_code']),
  deviceCode: String(body['device_code']),
});
const elsewhere = { headers: { 'x-forwarded-for': '203.0.113.9' } };

async function asked(more: Parameters<SallyClient['askForDevice']>[1] = {}) {
  const client = await sally();
  const answer = await client.askForDevice({}, more);
  expect(answer.status).toBe(200);
  return { client, ...codes(answer), browser: new DeviceBrowser(running) };
}

/** As far as the question. */
async function question(more: Parameters<SallyClient['askForDevice']>[1] = {}) {
  const it = await asked(more);
  const page = await it.browser.typeAndLogIn(it.userCode, running.people.carol);
  return { ...it, page };
}
/** A poll that comes late enough. */
async function poll(client: SallyClient, deviceCode: string): Promise<TokenAnswer> {
  running.advance(61);
  return await client.poll(deviceCode);
}
const words = (page: VisitedPage) => pageText(page.text);
const pending = { status: 400, body: { error: 'authorization_pending' } };
const denied = { status: 400, body: { error: 'access_denied' } };

describe('a device login', () => {
  test('gives the machine that asked a session of its own, with its address, name and key', async () => {
    const { client, deviceCode, browser, page } = await question(elsewhere);
    expect(await client.poll(deviceCode)).toMatchObject(pending);
    expect(words(await browser.decide(page, 'approve'))).toContain('The machine is logged in');
    const answer = await poll(client, deviceCode);
    expect(answer).toMatchObject({ status: 200, body: { token_type: 'DPoP' } });
    const { sid } = decodeJwt(String(answer.body['access_token']));
    const session = (await sessions()).find(({ id }) => id === sid);
    expect(session).toMatchObject({ kind: 'helper', client_address: '203.0.113.9', client_name: 'lab-7' });
    const refreshed = await client.refresh(String(answer.body['refresh_token']));
    expect(refreshed.status).toBe(200);
    expect(await client.refresh(String(refreshed.body['refresh_token']), await newProofKey())).toMatchObject({
      status: 400,
    });
  });

  test('needs a login of now, whoever used the browser before', async () => {
    const { browser } = await question();
    const again = await asked();
    await browser.type(again.userCode);
    expect((await browser.open('/device/login')).text).toContain('name="password"');
  });

  test('is refused to a person whose account is disabled', async () => {
    const { client, deviceCode, browser, page } = await question();
    await running.database.db.updateTable('accounts').set({ disabled_at: new Date() }).execute();
    const answer = await browser.decide(page, 'approve');
    await running.database.db.updateTable('accounts').set({ disabled_at: null }).execute();
    expect(words(answer)).toContain('disabled');
    expect(await poll(client, deviceCode)).toMatchObject(pending);
  });

  test('leaves neither code readable in the database', async () => {
    const { userCode, deviceCode } = await question();
    const tables = [
      'oauth_records',
      'device_polls',
      'device_approvals',
      'login_states',
      'audit_events',
    ] as const;
    const rows = await Promise.all(
      tables.map((table) => running.database.db.selectFrom(table).selectAll().execute()),
    );
    const text = JSON.stringify(rows);
    expect(text).not.toContain(deviceCode);
    expect(text).not.toContain(userCode);
    expect(text).not.toContain(userCode.replace('-', ''));
  });
});

describe('[abuse 80] phishing with a device code', () => {
  test('[abuse 80] is off until an organization switches it on', async () => {
    await deviceLogin('off');
    const client = await sally();
    expect(await client.askForDevice()).toMatchObject({
      status: 400,
      body: { error: 'unauthorized_client' },
    });
  });

  test('[abuse 80] ends at the login, if the person’s own organization has it switched off', async () => {
    const { client, userCode, deviceCode, browser } = await asked();
    await deviceLogin('off');
    const page = await browser.typeAndLogIn(userCode, running.people.carol);
    expect(page.status).toBe(403);
    expect(words(page)).toContain('does not allow logins by device code');
    expect(await client.poll(deviceCode)).toMatchObject(denied);
  });

  test('[abuse 80] no address holds the code, and none fills it in', async () => {
    const client = await sally();
    const { body } = await client.askForDevice();
    expect(Object.keys(body).sort()).toEqual([
      'device_code',
      'expires_in',
      'interval',
      'user_code',
      'verification_uri',
    ]);
    expect(body).toMatchObject({
      verification_uri: `${running.publicUrl.origin}/device`,
      expires_in: 300,
      interval: 5,
    });
    const page = await new DeviceBrowser(running).open(`/device?user_code=${body['user_code']}`);
    expect(page.text).not.toContain(String(body['user_code']));
  });

  test('[abuse 80] the question shows who, from where, with which key and what for, and warns', async () => {
    const { client, page } = await question(elsewhere);
    const text = words(page);
    expect(text).toContain('carol@acme.test');
    expect(text).toContain('203.0.113.9');
    expect(text).toContain('127.0.0.1 another network');
    expect(text).toContain('lab-7');
    expect(text).toContain('nobody has verified it');
    expect(page.text).toContain(await calculateJwkThumbprint(client.key.jwk));
    expect(text).toMatch(/SSH as you. It ends in \d+ [dh] at the latest/);
    expect(page.text).toContain('Say yes only if you started this login yourself');
  });

  test('[abuse 80] from another network is refused where the organization wants one network', async () => {
    const { client, userCode, deviceCode, browser } = await asked(elsewhere);
    await deviceLogin('same-network');
    const page = await browser.typeAndLogIn(userCode, running.people.carol);
    expect(page.status).toBe(403);
    expect(words(page)).toContain('in another network (203.0.113.9)');
    expect(await client.poll(deviceCode)).toMatchObject(denied);
    expect((await events('device.refused')).at(-1)?.facts).toMatchObject({
      code: 'other_network',
      account: 'carol@acme.test',
      client_address: '203.0.113.9',
    });
  });

  test('[abuse 80] from the same network goes on there, and is checked again at the answer', async () => {
    await deviceLogin('same-network');
    const { page, browser } = await question();
    expect(words(page)).toContain('same network');
    await deviceLogin('off');
    expect((await browser.decide(page, 'approve')).status).toBe(403);
  });

  test('[abuse 80] no answer is no: the machine gets nothing, and after five minutes the code is over', async () => {
    const { client, userCode, deviceCode, browser, page } = await question();
    expect(await client.poll(deviceCode)).toMatchObject(pending);
    running.advance(301);
    expect((await browser.decide(page, 'approve')).status).toBe(400);
    expect((await browser.type(userCode)).status).toBe(400);
    expect(await poll(client, deviceCode)).toMatchObject(pending);
  });

  test('[abuse 80] asking, approving and denying are recorded', async () => {
    const [first, second] = [await question(elsewhere), await question(elsewhere)];
    await first.browser.decide(first.page, 'approve');
    await second.browser.decide(second.page, 'deny');
    const facts = { client_address: '203.0.113.9', client_name: 'lab-7' };
    const decided = { ...facts, account: 'carol@acme.test', browser_address: '127.0.0.1' };
    expect((await events('device.requested')).at(-1)?.facts).toMatchObject(facts);
    expect((await events('device.approved')).at(-1)).toMatchObject({ facts: decided });
    expect((await events('device.approved')).at(-1)?.session_id).not.toBeNull();
    expect((await events('device.denied')).at(-1)?.facts).toMatchObject(decided);
  });
});

describe('[abuse 81] guessing user codes', () => {
  beforeEach(() => running.startOfWindow(600));
  const wrong = 'BBBB-BBBB';
  async function form() {
    const response = await fetch(`${running.address}/device`);
    const cookie = response.headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; ');
    const csrf_token = csrfTokenOf({ text: await response.text() } as VisitedPage);
    return async (user_code: string, address = '198.51.100.7') => {
      const answer = await fetch(`${running.address}/device`, {
        method: 'POST',
        headers: { cookie, 'x-forwarded-for': address, origin: running.publicUrl.origin },
        body: new URLSearchParams({ csrf_token, user_code }),
      });
      await answer.text();
      return answer;
    };
  }
  const statuses = async (answers: Promise<Response>[]) =>
    (await Promise.all(answers)).map(({ status }) => status);

  test('[abuse 81] codes are eight of twenty letters', async () => {
    const seen = await Promise.all(Array.from({ length: 5 }, asked));
    for (const { userCode } of seen)
      expect(userCode).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
    expect(new Set(seen.map(({ userCode }) => userCode)).size).toBe(5);
    expect(8 * Math.log2(20)).toBeGreaterThanOrEqual(34);
  });

  test('[abuse 81] five wrong ones end it for the address, whatever the browser; the right one too', async () => {
    const { userCode } = await asked();
    for (let guess = 0; guess < 5; guess += 1) expect((await (await form())(wrong)).status).toBe(400);
    const answer = await (await form())(userCode);
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await (await form())(userCode, '198.51.100.8')).status).toBe(200);
  });

  test('[abuse 81] five wrong ones end it for the browser, whatever its address', async () => {
    const type = await form();
    for (let guess = 0; guess < 5; guess += 1) {
      expect((await type(wrong, `198.51.100.${guess}`)).status).toBe(400);
    }
    expect((await type(wrong, '198.51.100.99')).status).toBe(429);
  });

  test('[abuse 81] twenty at the same moment are five', async () => {
    const types = await Promise.all(Array.from({ length: 20 }, form));
    const answers = await statuses(types.map((type) => type(wrong)));
    expect(answers.filter((status) => status === 400)).toHaveLength(5);
    expect(answers.filter((status) => status === 429)).toHaveLength(15);
  });

  test('[abuse 81] addresses of one IPv6 network are one', async () => {
    for (let guess = 0; guess < 5; guess += 1) {
      expect((await (await form())(wrong, `2001:db8:1:2::${guess}`)).status).toBe(400);
    }
    expect((await (await form())(wrong, '2001:db8:1:2:ffff::1')).status).toBe(429);
    expect((await (await form())(wrong, '2001:db8:1:3::1')).status).toBe(400);
  });

  test('[abuse 81] many from one network end it for that network, and leave the common ceiling to others', async () => {
    for (let guess = 0; guess < 20; guess += 1) {
      expect((await (await form())(wrong, `2001:db8:7:${guess}::1`)).status).toBe(400);
    }
    for (let guess = 20; guess < 30; guess += 1) {
      expect((await (await form())(wrong, `2001:db8:7:${guess}::1`)).status).toBe(429);
    }
    const { count } = await running.database.db
      .selectFrom('attempts')
      .select('count')
      .where('bucket', '=', 'user-code')
      .where('window_start', '<=', running.now())
      .orderBy('window_start', 'desc')
      .limit(1)
      .executeTakeFirstOrThrow();
    expect(count).toBe(20);
    const { userCode } = await asked();
    expect((await (await form())(userCode, '2001:db8:8::1')).status).toBe(200);
  });

  test('[abuse 81] many from everywhere end it for everybody', async () => {
    await (await form())(wrong);
    await running.database.db
      .updateTable('attempts')
      .set({ count: 200 })
      .where('bucket', '=', 'user-code')
      .execute();
    const { userCode } = await asked();
    expect((await (await form())(userCode, '192.0.2.1')).status).toBe(429);
  });

  test('[abuse 81] right codes are not counted', async () => {
    for (let round = 0; round < 7; round += 1) {
      const { userCode } = await asked();
      expect((await (await form())(userCode)).status).toBe(200);
    }
  });

  test('[abuse 81] each wrong one is recorded', async () => {
    const before = (await events('device.code_guessed')).length;
    await (await form())(wrong);
    await (await form())('not a code');
    expect((await events('device.code_guessed')).length - before).toBe(2);
  });

  test('small letters, spaces and a missing hyphen are forgiven', async () => {
    const { userCode, browser } = await asked();
    expect((await browser.type(` ${userCode.toLowerCase().replace('-', ' ')} `)).status).toBe(200);
  });
});

describe('[abuse 82] polling', () => {
  test('[abuse 82] too early is slowed down, more each time', async () => {
    const { client, deviceCode } = await asked();
    const slowDown = { status: 400, body: { error: 'slow_down' } };
    expect(await client.poll(deviceCode)).toMatchObject(pending);
    expect(await client.poll(deviceCode)).toMatchObject(slowDown);
    running.advance(6);
    expect(await client.poll(deviceCode)).toMatchObject(slowDown);
    running.advance(15);
    expect(await client.poll(deviceCode)).toMatchObject(pending);
  });

  test('[abuse 82] at the same moment is in time once', async () => {
    const { client, deviceCode } = await asked();
    const answers = await Promise.all(Array.from({ length: 6 }, () => client.poll(deviceCode)));
    const errors = answers.map(({ body }) => body['error']).sort();
    expect(errors).toEqual(['authorization_pending', ...Array(5).fill('slow_down')]);
  });

  test('[abuse 82] with a made-up device code is refused, and then slowed down', async () => {
    running.startOfWindow(600);
    const client = await sally();
    for (let guess = 0; guess < 5; guess += 1) {
      expect(await client.poll(`made-up-${guess}`)).toMatchObject({ body: { error: 'invalid_grant' } });
    }
    expect(await client.poll('made-up')).toMatchObject({ status: 400, body: { error: 'slow_down' } });
  });

  test('[abuse 82] with another key is refused and uses nothing up', async () => {
    const { client, deviceCode, browser, page } = await question();
    await browser.decide(page, 'approve');
    const invalid = { status: 400, body: { error: 'invalid_grant' } };
    expect(await client.poll(deviceCode, await newProofKey())).toMatchObject(invalid);
    expect(await client.poll(deviceCode, null)).toMatchObject(invalid);
    expect(await client.poll(deviceCode)).toMatchObject({ status: 200 });
  });

  test('[abuse 82] asking for codes has a limit for each address', async () => {
    running.startOfWindow(60);
    const client = await sally();
    const answers = await Promise.all(Array.from({ length: 31 }, () => client.askForDevice()));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(30);
    expect(answers.filter(({ body }) => body['error'] === 'slow_down')).toHaveLength(1);
  });
});

describe('[abuse 83] deciding', () => {
  test('[abuse 83] twice takes effect once', async () => {
    const { browser, page } = await question();
    const before = (await sessions()).length;
    expect((await browser.decide(page, 'approve')).status).toBe(200);
    expect((await browser.decide(page, 'approve')).status).toBe(403);
    expect((await browser.decide(page, 'deny')).status).toBe(403);
    expect((await sessions()).length).toBe(before + 1);
  });

  test('[abuse 83] yes after no is no', async () => {
    const { client, userCode, deviceCode, browser, page } = await question();
    const other = new DeviceBrowser(running);
    const otherPage = await other.typeAndLogIn(userCode, running.people.bob);
    expect(words(await browser.decide(page, 'deny'))).toContain('The machine was refused');
    expect((await other.decide(otherPage, 'approve')).status).toBe(400);
    expect(await poll(client, deviceCode)).toMatchObject(denied);
    expect((await other.type(userCode)).status).toBe(400);
  });

  test('[abuse 83] of two people, and of ten clicks, exactly one takes effect', async () => {
    const { client, userCode, deviceCode, browser, page } = await question();
    const other = new DeviceBrowser(running);
    const otherPage = await other.typeAndLogIn(userCode, running.people.bob);
    const before = (await sessions()).length;
    const answers = await Promise.all([
      ...Array.from({ length: 5 }, () => browser.decide(page, 'approve')),
      ...Array.from({ length: 5 }, () => other.decide(otherPage, 'approve')),
    ]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await sessions()).length).toBe(before + 1);
    expect((await poll(client, deviceCode)).status).toBe(200);
  });

  test('[abuse 83] yes and no at once: what the person reads is what the machine gets', async () => {
    const { client, userCode, deviceCode, browser, page } = await question();
    const other = new DeviceBrowser(running);
    const otherPage = await other.typeAndLogIn(userCode, running.people.bob);
    const [yes, no] = await Promise.all([browser.decide(page, 'approve'), other.decide(otherPage, 'deny')]);
    expect([yes.status, no.status].sort()).toEqual([200, 400]);
    const { status } = await poll(client, deviceCode);
    expect(status).toBe(yes.status === 200 ? 200 : 400);
  });

  test('the machine gets its tokens once; a second try ends the session', async () => {
    const { client, deviceCode, browser, page } = await question();
    await browser.decide(page, 'approve');
    const first = await client.poll(deviceCode);
    expect(await client.poll(deviceCode)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    const { sid } = decodeJwt(String(first.body['access_token']));
    expect((await sessions()).find(({ id }) => id === sid)?.ended_reason).toBe('code_reused');
  });
});

describe('the forms', () => {
  test('of another browser, or without their token, are refused', async () => {
    const { browser, page, userCode } = await question();
    const stranger = new DeviceBrowser(running);
    expect((await stranger.decide(page, 'approve')).status).toBe(403);
    const stale = { ...page, text: page.text.replace(csrfTokenOf(page), 'x'.repeat(43)) };
    expect((await browser.decide(stale, 'approve')).status).toBe(403);
    const { text } = await stranger.open('/device');
    expect((await browser.submit({ ...page, text }, { user_code: userCode })).status).toBe(403);
  });

  test('from another site are refused', async () => {
    const { browser, page } = await question();
    const answer = await browser.browser.open(new URL('/device/approve', page.url), {
      method: 'POST',
      body: new URLSearchParams({ csrf_token: csrfTokenOf(page), decision: 'approve' }),
      from: new URL('https://evil.test/'),
    });
    expect(answer.status).toBe(403);
  });

  test('[abuse 84] logging in gives the browser another secret: who planted an earlier one can’t decide', async () => {
    const { userCode } = await asked();
    const browser = new DeviceBrowser(running);
    const secrets: string[] = [];
    const real = globalThis.fetch;
    const spy = vi.spyOn(globalThis, 'fetch').mockImplementation(async (...request) => {
      const response = await real(...request);
      for (const line of response.headers.getSetCookie()) {
        const secret = /^sallyport-device=([^;]+)/.exec(line)?.[1];
        if (secret) secrets.push(secret);
      }
      return response;
    });
    const page = await browser.typeAndLogIn(userCode, running.people.carol).finally(() => spy.mockRestore());
    expect(new Set(secrets).size).toBe(3);
    const before = (await sessions()).length;
    for (const planted of secrets.slice(0, -1)) {
      const answer = await fetch(`${running.address}/device/approve`, {
        method: 'POST',
        headers: { cookie: `sallyport-device=${planted}`, origin: running.publicUrl.origin },
        body: new URLSearchParams({ csrf_token: deviceFormToken(planted), decision: 'approve' }),
      });
      expect(answer.status).toBe(400);
    }
    expect((await sessions()).length).toBe(before);
    expect((await browser.decide(page, 'approve')).status).toBe(200);
  });

  test('[abuse 95] no page of it may stand in a frame', async () => {
    const { userCode, browser } = await asked();
    const cookies = (response: Response) =>
      response.headers
        .getSetCookie()
        .map((line) => line.split(';')[0])
        .join('; ');
    const first = await fetch(`${running.address}/device`);
    await browser.type(userCode);
    for (const response of [
      first,
      await fetch(`${running.address}/device/approve`, { headers: { cookie: cookies(first) } }),
    ]) {
      expect(response.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    }
    expect(first.headers.get('x-frame-options')).toBe('DENY');
  });

  test('oidc-provider’s own pages for it are not there', async () => {
    for (const path of ['/device', '/device/x', '/device/auth']) {
      for (const method of ['GET', 'POST']) {
        const { status } = await fetch(`${running.issuer}${path}`, { method });
        expect([path, method, status]).toEqual([path, method, 404]);
      }
    }
  });
});
