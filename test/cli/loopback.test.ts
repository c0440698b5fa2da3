import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type LoopbackListener,
  loopbackPorts,
  openLoopbackListener,
} from '../../src/cli/loopback-listener.ts';
import { type RunningServer, startRunningServer } from '../oauth/running-server.ts';
import { newProofKey, SallyClient } from '../oauth/sally-client.ts';
import { runAsync } from './person.ts';

let running: RunningServer;
beforeAll(async () => {
  running = await startRunningServer();
});
afterAll(() => running.close());

const portOf = ({ redirectUri }: LoopbackListener) => Number(new URL(redirectUri).port);

/** What a page or a program on this machine gets for its request. */
function statusOf(address: string, { host, method = 'GET' }: { host?: string; method?: string } = {}) {
  const url = new URL(address);
  return new Promise<number | string>((resolve) => {
    const sent = request(url, { method, headers: { host: host ?? url.host } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'error'));
    sent.end();
  });
}

/** A second process that wants the port for itself. @returns how far it came */
async function takePort(port: number, address: string): Promise<string> {
  const program = `const server = require('node:net').createServer();
    server.on('error', ({ code }) => console.log(code));
    server.listen(${port}, '${address}', () => { console.log('listening'); server.close(); });`;
  return (await runAsync(process.execPath, ['-e', program])).stdout.trim();
}

describe('the ports of the loopback redirect', () => {
  test('[seeds 1] are few and known: the first that is free, and any other where all are taken', async () => {
    expect(loopbackPorts).toEqual([27420, 27421, 27422, 27423, 27424, 27425, 27426, 27427, 27428, 27429]);
    // Stand-ins, which nobody else on this machine uses meanwhile.
    const blocker = await openLoopbackListener([]);
    const free = await openLoopbackListener([]);
    const [taken, other] = [portOf(blocker), portOf(free)];
    await free.close();
    const second = await openLoopbackListener([taken, other]);
    expect(portOf(second)).toBe(other);
    const third = await openLoopbackListener([taken, other]);
    expect([0, taken, other]).not.toContain(portOf(third));
    for (const listener of [blocker, second, third]) await listener.close();
  });
});

describe('the loopback redirect (RFC 8252 sections 7.3 and 8.3)', () => {
  test('[abuse 62] ends at 127.0.0.1 of any port and this one path, where only the login that was started is heard', async () => {
    const listener = await openLoopbackListener();
    const port = portOf(listener);
    const sally = new SallyClient(running, await newProofKey(), port);

    // The server sends browsers to this address alone, whatever the port.
    for (const free of [1, 8080, port, 65_535]) {
      expect(await sally.push({ redirect_uri: `http://127.0.0.1:${free}/callback` })).toMatchObject({
        status: 201,
      });
    }
    for (const other of [
      `http://localhost:${port}/callback`,
      `http://[::1]:${port}/callback`,
      `http://127.0.0.2:${port}/callback`,
      `http://127.0.0.1:${port}/`,
      `http://127.0.0.1:${port}/callback/`,
      `http://127.0.0.1:${port}/callback/more`,
      `http://127.0.0.1:${port}/callback?more`,
      `http://127.0.0.1:${port}/CALLBACK`,
      `https://127.0.0.1:${port}/callback`,
    ]) {
      expect(await sally.push({ redirect_uri: other }), other).toMatchObject({ status: 400 });
    }

    // Nobody can take the port beside the listener, and it listens nowhere else.
    for (const address of ['127.0.0.1', '0.0.0.0', '::']) {
      expect(await takePort(port, address)).toBe('EADDRINUSE');
    }
    expect(await statusOf(`http://[::1]:${port}/callback`)).toBe('ECONNREFUSED');

    // What is not the answer to this login leaves it waiting: names that were rebound, other paths, others' logins.
    const waiting = listener.callback(sally.state, 60_000);
    const answer = `${listener.redirectUri}?code=theirs&state=${sally.state}`;
    const rebound = ['rebound.evil.example', 'localhost', '[::1]'].map((name) => `${name}:${port}`);
    for (const host of [...rebound, '127.0.0.1', `127.0.0.1:${port}.`]) {
      expect(await statusOf(answer, { host })).toBe(421);
    }
    expect(await statusOf(answer, { method: 'POST' })).toBe(405);
    expect(await statusOf(answer.replace('/callback', '/callback/more'))).toBe(404);
    const attacker = new SallyClient(running, await newProofKey(), port);
    for (const state of [attacker.state, '', `${sally.state}x`, `${sally.state}&state=${attacker.state}`]) {
      expect(await statusOf(`${listener.redirectUri}?code=theirs&state=${state}`)).toBe(400);
    }
    expect(await statusOf(`${listener.redirectUri}?code=theirs`)).toBe(400);

    // The right one is heard, once.
    const landed = sally.logIn(running.people.carol);
    const callback = await waiting;
    const code = callback?.searchParams.get('code') ?? '';
    expect(await statusOf(callback?.href ?? '')).toBe(400);
    await listener.answer({ status: 200, html: 'landed' });
    expect((await landed).text).toBe('landed');
    await listener.close();

    // Whoever takes the port afterwards may hear of a code, and can do nothing with it (RFC 7636, RFC 9449 section 10).
    expect(await takePort(port, '127.0.0.1')).toBe('listening');
    const refused = { status: 400, body: { error: 'invalid_grant' } };
    expect(await attacker.redeem(code)).toMatchObject(refused);
    const again = await openLoopbackListener();
    const next = new SallyClient(running, await newProofKey(), portOf(again));
    const awaited = again.callback(next.state, 60_000);
    const nextLanded = next.logIn(running.people.carol);
    const stolen = (await awaited)?.searchParams.get('code') ?? '';
    await again.answer({ status: 200, html: 'landed' });
    await nextLanded;
    await again.close();
    const withVerifier = { code_verifier: next.verifier, redirect_uri: next.redirectUri };
    expect(await attacker.redeem(stolen, withVerifier)).toMatchObject(refused);
  });
});
