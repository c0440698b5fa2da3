import { expect, test } from 'vitest';
import { readEvents } from '../../src/gateway/event-stream.ts';

async function eventsIn(chunks: readonly string[]): Promise<unknown[]> {
  const body = (async function* () {
    for (const chunk of chunks) yield Buffer.from(chunk);
  })();
  const events: unknown[] = [];
  for await (const event of readEvents(body)) events.push(event);
  return events;
}

const state = { event: 'state', data: '{"a":1}' };

test.each([
  ['in one piece', ['event: state\ndata: {"a":1}\n\n']],
  ['byte by byte', [...'event: state\ndata: {"a":1}\n\n']],
  ['with CR LF', ['event: state\r', '\ndata: {"a":1}\r\n\r', '\n']],
  ['without the blank', ['event:state\ndata:{"a":1}\n\n']],
  ['after heartbeats', [': hello\n\n:\n\n', 'event: state\ndata: {"a":1}\n\n']],
  ['with fields that are not known', ['id: 7\nretry: 5\nevent: state\ndata: {"a":1}\n\n']],
])('an event comes %s', async (_, chunks) => {
  expect(await eventsIn(chunks)).toEqual([state]);
});

test('lines of data are joined, and the name does not last', async () => {
  expect(await eventsIn(['event: state\ndata: a\ndata: b\n\ndata: c\n\n'])).toEqual([
    { event: 'state', data: 'a\nb' },
    { event: 'message', data: 'c' },
  ]);
});

test('an event that was cut off is dropped', async () => {
  expect(await eventsIn(['event: state\ndata: {"a":1}\n'])).toEqual([]);
});
