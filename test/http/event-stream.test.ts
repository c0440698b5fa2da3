import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { EventStream } from '../../src/http/event-stream.ts';

/** A reader that takes a piece only when told to. */
function reader() {
  const taken: string[] = [];
  let release: (() => void) | undefined;
  const out = new Writable({
    highWaterMark: 1,
    write: (chunk, _encoding, done) => {
      taken.push(String(chunk));
      release = () => done();
    },
  });
  return {
    out,
    taken,
    take: () =>
      new Promise<void>((resolve) => {
        out.once('drain', () => setImmediate(resolve));
        release?.();
      }),
  };
}
const state = (version: number) => ({
  event: 'state',
  id: `${version}`,
  data: () => `{"version":"${version}"}`,
});

test('an event is written as server-sent events are', () => {
  const { out, taken } = reader();
  new EventStream(out).send(state(1));
  expect(taken).toEqual(['event: state\nid: 1\ndata: {"version":"1"}\n\n']);
});

test('a slow reader gets the newest state when it is ready, and none in between', async () => {
  const { out, taken, take } = reader();
  const stream = new EventStream(out);
  for (const version of [1, 2, 3, 4]) stream.send(state(version));
  expect(out.writableLength).toBeLessThan(100);
  await take();
  expect(taken.map((text) => /id: (\d)/.exec(text)?.[1])).toEqual(['1', '4']);
});

test('a reader that takes nothing from one heartbeat to the next is dropped', async () => {
  const { out, take } = reader();
  const stream = new EventStream(out);
  stream.send(state(1));
  stream.heartbeat();
  await take();
  stream.send(state(2));
  stream.heartbeat();
  expect(out.destroyed).toBe(false);
  stream.heartbeat();
  expect(out.destroyed).toBe(true);
});

test('a heartbeat is a comment', () => {
  const { out, taken } = reader();
  new EventStream(out).heartbeat();
  expect(taken).toEqual([': still here\n\n']);
});
