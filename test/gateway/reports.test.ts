import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { ErrorCode } from '../../src/errors/codes.ts';
import { SallyportError } from '../../src/errors/sallyport-error.ts';
import { createCompanion } from '../../src/gateway/companion.ts';
import { connectionKey, type Way } from '../../src/gateway/connection-file.ts';
import { Connections } from '../../src/gateway/connections.ts';
import { enrol } from '../../src/gateway/enrol.ts';
import type { Offer } from '../../src/gateway/offered-certificate.ts';
import { companionPaths } from '../../src/gateway/paths.ts';
import { readProcess } from '../../src/gateway/proc.ts';
import { findPrograms } from '../../src/gateway/programs.ts';
import { Reporter } from '../../src/gateway/reporter.ts';
import { temporaryFolder } from '../interop/ssh-keygen.ts';
import { TestAuthority } from './test-authority.ts';
import { alice, hasSshd } from './test-world.ts';

const authority = new TestAuthority();
beforeAll(() => authority.start());
afterAll(() => authority.stop());

test.skipIf(!hasSshd)('a report that was not taken is sent again when the server is heard of', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
  const paths = companionPaths(join(folder, 'state'), join(folder, 'run'));
  const programs = findPrograms();
  const enrolment = await enrol({
    paths,
    serverUrl: authority.url,
    token: authority.token('gateway', 'gateway'),
    sshKeygen: programs.sshKeygen,
    kind: 'gateway',
  });
  const refused = Promise.withResolvers<void>();
  const companion = createCompanion({
    paths,
    enrolment,
    programs,
    sshdPidFile: join(folder, 'sshd.pid'),
    clock: () => new Date(),
    log: ({ event }) => event === 'feed.not_reported' && refused.resolve(),
  });
  onTestFinished(async () => {
    await companion.stop();
    await rm(folder, { recursive: true });
  });
  authority.refusesReports = true;
  await companion.start();
  await refused.promise;
  authority.refusesReports = false;
  const reported = once(authority.heard, 'report', { signal: AbortSignal.timeout(20_000) });
  authority.push();
  await reported;
  expect(authority.reports).toEqual([{ connections: [] }]);
});

describe('somebody who came and went', () => {
  const folder = temporaryFolder();
  const connections = new Connections(folder.path(''));
  const heard: string[][] = [];
  let answer: () => Promise<readonly string[]>;
  const reporter = new Reporter({
    feed: () => ({
      acknowledge: async () => {},
      report: async ({ connections: told, ended = [] }) => {
        const reply = await answer();
        heard.push([...told.map(({ way }) => way ?? ''), ...ended.map(({ reason }) => reason)]);
        return reply;
      },
    }),
    connections: () => connections.report(),
    onReported: (report) => connections.noteReported(report),
    onRefused: () => connections.noteRefused(),
    problem: () => null,
    onEnded: async () => 0,
    log: () => {},
  });
  beforeEach(() => {
    heard.length = 0;
    answer = async () => [];
  });

  /** A process stands for sshd's monitor. @returns what ends it */
  async function comes(way: Way): Promise<() => Promise<void>> {
    const monitor = spawn('/bin/cat', { stdio: ['pipe', 'ignore', 'ignore'] });
    await once(monitor, 'spawn');
    const found = readProcess(monitor.pid ?? 0);
    if (found === undefined) throw new Error('It is not in /proc.');
    const offer = { account: alice, sessionId: crypto.randomUUID(), serial: '1' } as Offer;
    const key = connections.register(found, { offer, user: 'ssh', permitted: [], offeredAtSeconds: 1 });
    connections.markUsed(key, { way }, 7);
    return async () => {
      monitor.kill('SIGKILL');
      await once(monitor, 'exit');
      expect(connections.forgetGone()).toBe(true);
    };
  }
  const away = (code: ErrorCode) => async () => {
    throw new SallyportError(code, 'No.');
  };

  test('is told of once where the server hears of it at once', async () => {
    const goes = await comes('host');
    await reporter.report();
    await goes();
    await reporter.report();
    expect(heard).toEqual([['host'], []]);
  });

  test('while the server was away is told of when it is back, and after that as gone, with the reason', async () => {
    answer = away('unavailable');
    const goes = await comes('refusal');
    await reporter.report();
    for (const one of connections.all()) connections.noteEnding(one, 'too_long');
    await goes();
    expect(connections.count()).toBe(0);
    await reporter.report();
    answer = async () => [];
    await reporter.report();
    expect(heard).toEqual([['refusal'], ['too_long']]);
    await reporter.report();
    expect(heard.at(-1)).toEqual([]);
  });

  test('while the server had another report to answer, too, and as what it was last', async () => {
    const { promise, resolve } = Promise.withResolvers<readonly string[]>();
    answer = () => promise;
    const first = await comes('menu');
    const reporting = reporter.report();
    const second = await comes('refusal');
    const [one] = connections.all();
    if (one) connections.markUsed(connectionKey(one), { way: 'relay' }, 7);
    await first();
    await second();
    void reporter.report();
    resolve([]);
    await reporting;
    expect(heard).toEqual([['menu'], ['relay', 'refusal'], []]);
  });

  test('is not told of again where the server does not take it: the report of those who are there must get through', async () => {
    answer = away('request_malformed');
    const goes = await comes('host');
    await reporter.report();
    await goes();
    await reporter.report();
    answer = async () => [];
    await reporter.report();
    expect(heard).toEqual([[]]);
  });
});
