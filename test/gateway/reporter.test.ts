import { expect, test } from 'vitest';
import type { Acknowledgement } from '../../src/api/companions.ts';
import { SallyportError } from '../../src/errors/sallyport-error.ts';
import { Reporter } from '../../src/gateway/reporter.ts';

/** A reporter to a CA that takes acknowledgements only while it is well. */
function reporter() {
  const ca = { isWell: true };
  const taken: Acknowledgement[] = [];
  const tries: string[] = [];
  const told = new Reporter({
    feed: () => ({
      acknowledge: async (said) => {
        tries.push(said.version);
        if (!ca.isWell) throw new Error('away');
        taken.push(said);
      },
      report: async () => [],
    }),
    connections: () => ({ connections: [] }),
    onReported: () => false,
    onRefused: () => {},
    problem: () => null,
    onEnded: async () => 0,
    log: () => {},
  });
  return { ca, taken, tries, told };
}
const installed = (version: string) => ({ version, krl: { version, data: '', signature: '' } });
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('an acknowledgement that was not taken is told again when the server is heard of, with the same count, once', async () => {
  const { ca, taken, tries, told } = reporter();
  ca.isWell = false;
  await told.acknowledge(installed('7'), 2);
  ca.isWell = true;
  told.onContact();
  await turn();
  told.onContact();
  await turn();
  expect(tries).toEqual(['7', '7']);
  expect(taken).toEqual([{ version: '7', krl_version: '7', connections_ended: 2, problem: null }]);
});

test('a newer one that was taken leaves nothing of an older one to tell', async () => {
  const { ca, taken, told } = reporter();
  ca.isWell = false;
  await told.acknowledge(installed('7'), 0);
  ca.isWell = true;
  await told.acknowledge(installed('8'), 1);
  told.onContact();
  await turn();
  expect(taken.map(({ version }) => version)).toEqual(['8']);
});

test('what could not be told because the companion stops is no error', async () => {
  const logged: string[] = [];
  const stopping = new DOMException('This operation was aborted', 'AbortError');
  const failures = [stopping, new Error('refused')];
  const told = new Reporter({
    feed: () => ({
      acknowledge: async () => {
        throw new SallyportError('unavailable', 'It could not be reached.', { cause: failures.shift() });
      },
      report: async () => [],
    }),
    connections: () => ({ connections: [] }),
    onReported: () => false,
    onRefused: () => {},
    problem: () => null,
    onEnded: async () => 0,
    log: ({ event }) => logged.push(event),
  });
  await told.acknowledge(installed('7'), 0);
  expect(logged).toEqual([]);
  await told.acknowledge(installed('7'), 0);
  expect(logged).toEqual(['feed.not_acknowledged']);
});
